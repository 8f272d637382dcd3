//! The verbs that the page may ask for: their options as the command line defines them, and the
//! arguments that a request comes to.
//!
//! Nothing is defined twice: names, help, defaults and choices are those of the command line, and
//! what a value must be is said by the verb itself when it runs.

use crate::folder::{Folder, PathError};
use clap::ArgAction;
use serde::{Deserialize, Serialize};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the page may run. All of it reads recordings, runs and models of the studio's folder and
/// writes into `models`, `sounds` and `studio`, but for `new`, which writes a config.
const OFFERED: [&[&str]; 15] = [
    &["check"],
    &["new"],
    &["infer"],
    &["evaluate"],
    &["inspect"],
    &["export"],
    &["runs"],
    &["report"],
    &["convolve"],
    &["recover"],
    &["reorder"],
    &["spectrum"],
    &["collage", "jumble"],
    &["collage", "interleave"],
    &["stretch"],
];

/// Options of this program as a whole, which the studio sets itself.
const OWN: [&str; 4] = ["json", "quiet", "help", "version"];

/// A verb's form.
#[derive(Clone, Debug, Serialize)]
pub struct Verb {
    /// Its words.
    pub name: Vec<String>,
    /// What it does, in a line.
    pub about: String,
    /// What it takes.
    pub fields: Vec<Field>,
}

/// An argument or option.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Its name, as requests give it.
    pub name: String,
    /// What it is.
    pub help: String,
    /// What kind of value it takes.
    pub kind: Kind,
    /// Values to choose from, each with what it does.
    pub choices: Vec<(String, String)>,
    /// What is taken where nothing is given.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it may be given several times.
    pub many: bool,
    /// Whether it may be given without a value.
    pub bare: bool,
    #[serde(skip)]
    long: Option<String>,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A file or folder of the studio's folder.
    Path,
    /// Where a result goes.
    Result,
    /// A config's name.
    Name,
    /// Anything else.
    Text,
}

/// What the page asks to run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The verb's words.
    pub verb: Vec<String>,
    /// Values by the names of fields.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
}

/// The value of a field.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A flag, or an option without its value.
    Flag(bool),
    /// A number as it was typed.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// Several.
    Many(Vec<String>),
}

/// Why a request cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// No such verb is offered.
    #[error("{0:?} is not offered by the studio")]
    Unknown(String),
    /// It has no such field.
    #[error("{verb} has no {field:?}")]
    Field {
        /// The verb.
        verb: String,
        /// What was given.
        field: String,
    },
    /// A field takes something else.
    #[error("{0}: not such a value")]
    Value(String),
    /// A path that is not ours.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// All verbs that are offered.
#[derive(Clone, Debug)]
pub struct Verbs(Vec<Verb>);

impl Verbs {
    /// Reads them off the command line's definition.
    pub fn of(program: &clap::Command) -> Self {
        Self(
            OFFERED
                .iter()
                .filter_map(|name| verb(program, name))
                .collect(),
        )
    }

    /// Their forms.
    pub fn forms(&self) -> &[Verb] {
        &self.0
    }

    /// The arguments that a request comes to: options as `--name=value`, then `--`, then what has
    /// its place, so that no value can be taken for an option.
    ///
    /// # Errors
    /// [`VerbError`].
    pub fn arguments(&self, asked: &Asked, folder: &Folder) -> Result<Vec<String>, VerbError> {
        let named = |verb: &&Verb| verb.name == asked.verb;
        let verb = self.0.iter().find(named);
        let verb = verb.ok_or_else(|| VerbError::Unknown(asked.verb.join(" ")))?;
        for name in asked.values.keys() {
            if !verb.fields.iter().any(|field| field.name == *name) {
                let verb = verb.name.join(" ");
                return Err(VerbError::Field {
                    verb,
                    field: name.clone(),
                });
            }
        }
        let mut arguments = verb.name.clone();
        let mut placed = Vec::new();
        for field in &verb.fields {
            let Some(value) = asked.values.get(&field.name) else {
                continue;
            };
            for text in field.texts(value, folder)? {
                match (&field.long, text) {
                    (Some(long), Some(text)) => arguments.push(format!("--{long}={text}")),
                    (Some(long), None) => arguments.push(format!("--{long}")),
                    (None, text) => placed.extend(text),
                }
            }
        }
        arguments.extend(["--json".to_string(), "--".to_string()]);
        arguments.extend(placed);
        Ok(arguments)
    }
}

impl Field {
    fn of(arg: &clap::Arg, verb: &[&str]) -> Self {
        let id = arg.get_id().as_str();
        let name = arg.get_long().unwrap_or(id).to_string();
        let takes = arg.get_action().takes_values();
        let values = arg.get_value_parser().possible_values();
        let choices = values.into_iter().flatten().filter(|_| takes).map(|value| {
            let help = value.get_help().map(ToString::to_string);
            (value.get_name().to_string(), help.unwrap_or_default())
        });
        let bare = arg
            .get_num_args()
            .is_some_and(|count| count.min_values() == 0);
        let many = matches!(arg.get_action(), ArgAction::Append)
            || arg
                .get_num_args()
                .is_some_and(|count| count.max_values() > 1);
        let default = arg.get_default_values().first();
        let help = arg
            .get_help()
            .or(arg.get_long_help())
            .map(ToString::to_string);
        Self {
            help: help.unwrap_or_default(),
            kind: kind(arg, &name, verb),
            choices: choices.collect(),
            default: default.map(|value| value.to_string_lossy().into_owned()),
            required: arg.is_required_set(),
            many,
            bare: bare && takes,
            long: arg.get_long().map(str::to_string),
            name,
        }
    }

    /// The values as they stand on a command line; `None` for an option that stands alone.
    fn texts(&self, value: &Value, folder: &Folder) -> Result<Vec<Option<String>>, VerbError> {
        let wrong = || VerbError::Value(self.name.clone());
        let given = match value {
            Value::Flag(false) => return Ok(Vec::new()),
            Value::Flag(true) if self.bare || self.kind == Kind::Flag => return Ok(vec![None]),
            Value::Flag(true) => return Err(wrong()),
            Value::Number(number) => vec![number.to_string()],
            Value::Text(text) => vec![text.clone()],
            Value::Many(texts) if self.many => texts.clone(),
            Value::Many(_) => return Err(wrong()),
        };
        if self.kind == Kind::Flag || given.iter().any(|text| text.contains('\0')) {
            return Err(wrong());
        }
        given
            .into_iter()
            .map(|text| Ok(Some(self.checked(text, folder)?)))
            .collect()
    }

    fn checked(&self, text: String, folder: &Folder) -> Result<String, VerbError> {
        match self.kind {
            Kind::Path => folder.existing(&text).map(drop)?,
            Kind::Result => folder.result(&text).map(drop)?,
            Kind::Name => folder.config(&format!("{text}.toml")).map(drop)?,
            Kind::Flag | Kind::Whole | Kind::Number | Kind::Text => {}
        }
        Ok(text)
    }
}

fn verb(program: &clap::Command, name: &[&str]) -> Option<Verb> {
    let mut command = program;
    for word in name {
        command = command.find_subcommand(word)?;
    }
    let own = |arg: &&clap::Arg| OWN.contains(&arg.get_id().as_str()) || arg.is_hide_set();
    let fields = command.get_arguments().filter(|arg| !own(arg));
    Some(Verb {
        name: name.iter().map(ToString::to_string).collect(),
        about: command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
        fields: fields.map(|arg| Field::of(arg, name)).collect(),
    })
}

fn kind(arg: &clap::Arg, name: &str, verb: &[&str]) -> Kind {
    let parsed = arg.get_value_parser().type_id();
    let is = |id: TypeId| parsed == id;
    if !arg.get_action().takes_values() {
        Kind::Flag
    } else if verb == ["new"] && name == "name" {
        // A path to the command line, a name here.
        Kind::Name
    } else if matches!(name, "output" | "plot") {
        Kind::Result
    } else if is(TypeId::of::<PathBuf>()) {
        Kind::Path
    } else if is(TypeId::of::<f64>()) || is(TypeId::of::<f32>()) {
        Kind::Number
    } else if is(TypeId::of::<usize>())
        || is(TypeId::of::<u64>())
        || is(TypeId::of::<u32>())
        || is(TypeId::of::<i64>())
    {
        Kind::Whole
    } else {
        Kind::Text
    }
}
