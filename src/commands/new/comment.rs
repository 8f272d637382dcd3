//! Text as a comment of a config.

/// A comment of lines no longer than a screen is wide.
pub(super) fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > 96 {
            lines += &format!("{line}\n");
            line = String::from("#  ");
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_wrapped_and_stay_comments() {
        let text = comment(&"word ".repeat(60));
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|l| l.starts_with("# ") && l.len() <= 96));
        assert_eq!(text.matches("word").count(), 60);
    }
}
