//! Autoscalers against each other in a closed loop: what they do changes what they see next.
//!
//! A [`shop::Shop`] of queueing servers is played under a [`scenario::Scenario`], the same for everyone: recorded
//! or made-up load, failures, metrics that are late, noisy and at times not there. Baselines follow their
//! published algorithms and are tuned on the very scenario ([`tune`]); Ostler is the shipped core rule
//! with the shipped scaler's thinking. Time is an argument and chance has a seed: same seed, same run.

mod chance;
pub mod contest;
pub mod control;
pub mod generate;
pub mod measure;
pub mod plot;
pub mod queueing;
pub mod read;
pub mod recorded;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scrape;
pub mod service;
pub mod shop;
pub mod tune;
pub mod world;
