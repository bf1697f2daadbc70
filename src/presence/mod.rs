//! Pure presence rules: many sessions to one state; who may see what.
