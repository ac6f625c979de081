//! Hopscope.
fn main() {}
