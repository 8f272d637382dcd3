//! What file names say: `{gear}-{channel}-g{gain}.wav`. Knows no file.

use super::error::PackError;
use std::collections::BTreeMap;

/// A pattern of names: fields in braces between fixed texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// The text before the first field.
    head: String,
    /// Each field, and the text after it.
    fields: Vec<(String, String)>,
}

impl Pattern {
    /// Reads `{gear}-g{gain}.wav`.
    ///
    /// # Errors
    /// No field, two fields without a text between them or of one name, a brace without its other.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        let wrong = |reason: &str| {
            let reason = format!("{reason}; the form is {{gear}}-g{{gain}}.wav");
            PackError::wrong(format!("pattern {text}"), reason)
        };
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_string();
        let mut fields: Vec<(String, String)> = Vec::new();
        for part in parts {
            let (name, after) = part
                .split_once('}')
                .ok_or_else(|| wrong("a field is not closed"))?;
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(allowed) {
                return Err(wrong("a field's name is letters, digits and _"));
            }
            if fields.iter().any(|(other, _)| other == name) {
                return Err(wrong("a field comes twice"));
            }
            if fields.last().is_some_and(|(_, between)| between.is_empty()) {
                return Err(wrong("nothing parts two fields"));
            }
            fields.push((name.to_string(), after.to_string()));
        }
        if fields.is_empty() || head.contains('}') {
            return Err(wrong("it has no field"));
        }
        Ok(Self {
            text: text.to_string(),
            head,
            fields,
        })
    }

    /// The fields of a file's name, without its ending unless the pattern has one; each field is as
    /// short as it can be, the last one as long.
    ///
    /// # Errors
    /// The name is not of this form.
    pub fn read(&self, file_name: &str) -> Result<BTreeMap<String, String>, PackError> {
        let stem = file_name
            .rsplit_once('.')
            .map_or(file_name, |(stem, _)| stem);
        let ends = self.fields.last().is_some_and(|(_, end)| end.contains('.'));
        let found = self.fields_of(if ends { file_name } else { stem });
        found
            .ok_or_else(|| PackError::wrong(file_name, format!("is not of the form {}", self.text)))
    }

    fn fields_of(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let (last, middle) = self.fields.split_last()?;
        let mut rest = name.strip_prefix(&self.head)?.strip_suffix(&last.1)?;
        let mut found = BTreeMap::new();
        for (field, after) in middle {
            // A field is never empty: its first character is not looked at.
            let first = rest.chars().next()?.len_utf8();
            let at = first + rest.get(first..)?.find(after.as_str())?;
            found.insert(field.clone(), rest[..at].to_string());
            rest = &rest[at + after.len()..];
        }
        (!rest.is_empty()).then(|| found.insert(last.0.clone(), rest.to_string()))?;
        Some(found)
    }
}

impl Pattern {
    /// The names of its fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, name: &str) -> Option<Vec<String>> {
        let pattern = Pattern::parse(pattern).unwrap();
        let found = pattern.read(name).ok()?;
        Some(pattern.names().map(|field| found[field].clone()).collect())
    }

    #[test]
    fn names_give_their_fields() {
        let wanted = |of: [&str; 3]| Some(of.map(str::to_string).to_vec());
        let pattern = "{gear}-{channel}-g{gain}.wav";
        assert_eq!(
            read(pattern, "jcm-lead-g5.wav"),
            wanted(["jcm", "lead", "5"])
        );
        assert_eq!(
            read(pattern, "jcm-lead-g5.5.wav"),
            wanted(["jcm", "lead", "5.5"])
        );
        assert_eq!(
            read(pattern, "jcm-lead-hot-g5.wav"),
            wanted(["jcm", "lead-hot", "5"])
        );
        assert_eq!(read(pattern, "jcm-lead.wav"), None);
        assert_eq!(read(pattern, "-lead-g5.wav"), None);
        assert_eq!(read(pattern, "jcm-lead-g.wav"), None);
        // Without an ending it speaks of the stem.
        assert_eq!(read("x{gain}", "x7.flac"), Some(vec!["7".to_string()]));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "plain.wav",
            "{a}{b}",
            "{a",
            "a}b",
            "{}x",
            "{a}-{a}",
            "{a b}",
        ] {
            let error = Pattern::parse(bad).unwrap_err().to_string();
            assert!(error.contains("the form is"), "{error}");
        }
    }
}
