//! The worked example of a new task does what docs/src/extend/new-task.md says.

#[path = "../examples/new_task.rs"]
mod example;

#[test]
fn a_task_in_one_file_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let score = example::train(folder.path()).unwrap();
    // Always answering 0, the most frequent count, is right about 45 % of the time.
    assert!(score >= 0.8, "{score}");
}
