//! The worked example of a new operation runs, and its checks hold.

#[path = "../examples/new_operation.rs"]
mod example;

#[test]
fn the_example_of_a_new_operation_runs() {
    example::main().unwrap();
}
