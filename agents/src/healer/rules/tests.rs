//! Rules against built situations.
