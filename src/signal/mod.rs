//! The vocabulary of the house: plain data, no I/O, no protocol.
