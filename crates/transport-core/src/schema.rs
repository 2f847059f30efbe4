//! The vocabulary of configuration: keys, values and sections.
//!
//! A crate with settings keeps them in a typed struct and describes each as one row of a
//! [`SectionTable`]: the key, a function that reads the field and one that sets it. A loader works
//! with [`Section`]s and knows no key by name. Nothing here reads a file.

mod accessors;
mod choice;
mod error;
mod key;
mod section;
mod value;

pub use crate::{accessors, choice};
pub use choice::Choice;
pub use error::{ConflictingSettings, ValueError};
pub use key::{Key, Kind, PathUse, Reload};
pub use section::{Section, SectionTable, Setting};
pub use value::{
    format_bool, format_duration, format_path, format_size, parse_bool, parse_count,
    parse_duration, parse_size, Raw,
};
