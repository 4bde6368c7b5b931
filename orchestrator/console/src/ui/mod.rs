//! What pages are made of. Pure functions; whatever text comes from elsewhere is escaped by the
//! templates, and marked where a workload or a model wrote it.

pub mod bits;
pub mod diff;
pub mod frame;
pub mod layers;
pub mod paging;
pub mod plot;
