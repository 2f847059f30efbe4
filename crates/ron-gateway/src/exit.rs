//! How the process ends: what went wrong on stderr, and the code that says of which kind it was.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use ron_transport::config::ConfigErrors;
use ron_transport::TransportError;

use crate::term;

/// Why the process ends with a code other than 0.
#[derive(Debug)]
pub(crate) enum ExitFailure {
    /// Command line or configuration are wrong: 2.
    Config(String),
    /// It could not start or go on: 1.
    Runtime(String),
    /// It was told to stop a second time before the drain was over: 1.
    CutShort,
}

impl ExitFailure {
    /// A failure of the running service, with what it was doing.
    pub(crate) fn runtime(doing: impl fmt::Display, error: &dyn Error) -> Self {
        Self::Runtime(format!("{doing}: {error}"))
    }

    fn code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Runtime(_) | Self::CutShort => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for ExitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) | Self::Runtime(what) => f.write_str(what),
            Self::CutShort => f.write_str("ended before the drain was over"),
        }
    }
}

impl From<ConfigErrors> for ExitFailure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors.to_string())
    }
}

impl From<TransportError> for ExitFailure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Config { .. } | TransportError::Unsupported { .. } => {
                Self::Config(error.to_string())
            }
            error => Self::Runtime(error.to_string()),
        }
    }
}

/// Says what went wrong, if anything did.
pub(crate) fn report(outcome: Result<(), ExitFailure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            term::err_line(format_args!("ron-gateway: {failure}"));
            failure.code()
        }
    }
}
