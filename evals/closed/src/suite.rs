//! Plays many cases, several at a time, each in virtual time of its own.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::{CaseError, mechanism::Case};

/// Does something with every case on so many threads, each with a paused clock; answers in the
/// cases' order. `told` hears of each as it is done.
///
/// # Errors
/// The first case that could not be played.
pub fn each<T: Send>(
    cases: &[Case],
    threads: usize,
    what: impl AsyncFn(&Case) -> Result<T, CaseError> + Sync,
    told: impl Fn(&Case) + Sync,
) -> Result<Vec<T>, CaseError> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else {
                return;
            };
            let answer = match &runtime {
                Ok(runtime) => runtime.block_on(what(case)),
                Err(error) => Err(CaseError {
                    place: case.name.clone(),
                    problem: error.to_string(),
                }),
            };
            told(case);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, answer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, answer)| answer).collect()
}
