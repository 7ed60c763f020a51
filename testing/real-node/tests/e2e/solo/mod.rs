//! What nobody can be beside of: the operator or a node goes away. One after the other, last of all.

mod drain;
mod operator;
mod uninstall;
