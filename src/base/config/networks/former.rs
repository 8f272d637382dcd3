//! Spellings of earlier configs and runs, brought to today's before a `[model]` table is read.

use toml::{Table, Value};

/// `kind = "conv-lstm"` was an LSTM with the keys of its `front` beside its own.
pub fn renew(model: &mut Table) {
    if model.get("kind").and_then(Value::as_str) != Some("conv-lstm") {
        return;
    }
    model.insert("kind".into(), "lstm".into());
    let mut front = Table::new();
    for key in ["channels", "kernel_size", "dilations", "activation"] {
        front.extend(model.remove(key).map(|value| (key.to_string(), value)));
    }
    let front = match model.remove("front") {
        None => front.into(),
        // What an override adds in today's spelling wins.
        Some(Value::Table(given)) => {
            front.extend(given);
            front.into()
        }
        Some(no_table) => no_table,
    };
    model.insert("front".into(), front);
}
