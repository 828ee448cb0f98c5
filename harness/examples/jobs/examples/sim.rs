//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/jobs.rs"]
mod jobs;

squall::main!(
    jobs::every_job_is_done,
    jobs::a_job_that_was_popped_is_gone_with_its_worker
);
