//! Files of one process.
