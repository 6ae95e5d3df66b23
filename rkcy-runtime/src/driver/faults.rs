//! What stops a driver, as people read it.

use super::process::ProcessError;
use super::storage::StorageError;
use crate::log::LogError;
use crate::store::StoreError;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::worker::Stop;

pub(crate) fn panicked() -> Fault {
    let message = "a thread of the engine panicked; see the message above";
    Fault::new(Class::Corrupt, "internal_error", message)
}

pub(crate) fn log_fault(error: LogError) -> Fault {
    let class = if error.exit_code() == 2 {
        Class::Invalid
    } else {
        Class::Unavailable
    };
    Fault::new(class, error.code(), format!("{error}; {}", error.remedy()))
}

pub(crate) fn stop_fault(stop: Stop) -> Fault {
    let (class, code) = match &stop {
        Stop::ForeignBuild { .. } => (Class::Unavailable, "foreign_build"),
        Stop::ForeignSchema { .. } => (Class::Unavailable, "drain_first"),
        Stop::ClockAhead { .. } | Stop::ClockRefused { .. } => (Class::Unavailable, "clock_ahead"),
        Stop::Overtaken { .. } => (Class::Unavailable, "overtaken"),
        Stop::Sealed { .. } => (Class::Unavailable, "sealed"),
        Stop::Unreadable { .. } => (Class::Corrupt, "unreadable"),
        Stop::Diverged { .. } => (Class::Corrupt, "diverged"),
        Stop::LogGap { .. } => (Class::Corrupt, "log_gap"),
    };
    Fault::new(class, code, stop.to_string())
}

pub(crate) fn process_fault(error: ProcessError) -> Fault {
    match error {
        ProcessError::Log(error) => log_fault(error),
        ProcessError::Stop(stop) => stop_fault(stop),
    }
}

pub(crate) fn storage_fault(error: &StorageError) -> Fault {
    match error {
        StorageError::Log(error) => log_fault(error.clone()),
        StorageError::Store(error) => StoreError::into(error.clone()),
        StorageError::Stop(stop) => Fault::new(Class::Corrupt, "storage_stopped", stop.to_string()),
    }
}
