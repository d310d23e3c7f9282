//! What a program that keeps tokens would ask.

mod kit;
