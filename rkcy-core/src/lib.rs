//! The pure engine of rkcy.
