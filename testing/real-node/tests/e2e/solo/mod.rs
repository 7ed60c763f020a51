//! Tests that tolerate no other test: the operator or a node is removed. They run one after the
//! other, at the end.

mod drain;
mod operator;
mod uninstall;
