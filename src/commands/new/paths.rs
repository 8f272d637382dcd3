//! Where the config goes, and recordings as seen from there.

use anyhow::{Context, Result, bail};
use std::path::{Component, Path, PathBuf};

/// `NAME.toml`; a `.toml` that was typed is not doubled.
pub(super) fn config_path(name: &Path) -> Result<PathBuf> {
    let Some(file) = name.file_name() else {
        bail!("{}: no name; give one such as my-pedal", name.display());
    };
    let file = file.to_string_lossy();
    let stem = file.strip_suffix(".toml").unwrap_or(&file);
    Ok(name.with_file_name(format!("{stem}.toml")))
}

/// `file` as seen from the folder of `config`; absolute when they share no folder.
pub(in crate::commands) fn relative(config: &Path, file: &Path) -> Result<String> {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path)?;
        // Where folders are links, `..` leads elsewhere than it seems to.
        let folder = path.parent().unwrap_or(Path::new("/")).canonicalize();
        Ok::<_, std::io::Error>(match (folder, path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path,
        })
    };
    let named = |path: &Path| path.display().to_string();
    let config = absolute(config).with_context(|| named(config))?;
    let file = absolute(file).with_context(|| named(file))?;
    let from: Vec<Component<'_>> = config
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .collect();
    let to: Vec<Component<'_>> = file.components().collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    // The root alone in common (or not even that): a path that says where it is serves better.
    let path = if common <= 1 {
        file.clone()
    } else {
        let up = std::iter::repeat_n(Component::ParentDir, from.len() - common);
        up.chain(to[common..].iter().copied()).collect()
    };
    path.to_str().map(str::to_string).with_context(|| {
        format!(
            "{}: a config can only hold names in Unicode; rename it",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_config() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        let from = |config: &str, file: &str| relative(&at(config), &at(file)).unwrap();
        assert_eq!(from("x.toml", "d.wav"), "d.wav");
        assert_eq!(from("x.toml", "a/d.wav"), "a/d.wav");
        assert_eq!(from("a/b/x.toml", "a/d.wav"), "../d.wav");
        assert_eq!(
            config_path(Path::new("a/my.amp")).unwrap(),
            Path::new("a/my.amp.toml")
        );
        assert_eq!(
            config_path(Path::new("x.toml")).unwrap(),
            Path::new("x.toml")
        );
        assert!(config_path(Path::new("..")).is_err());
    }
}
