//! Carries signals to the account they are for, wherever it lives.
