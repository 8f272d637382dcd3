//! What every HTML document made here has around its body.
//!
//! Knows nothing of what the page shows.

use crate::report::markup::escape;

/// A document to be.
pub(in crate::report) struct Shell<'a> {
    /// Plain text.
    pub title: &'a str,
    /// Marks the document as made here: [`is_made_by`].
    pub generator: &'a str,
    /// What the browser may fetch, if that is restricted.
    pub policy: Option<&'a str>,
    /// The style sheet.
    pub style: &'a str,
    /// HTML.
    pub body: &'a str,
}

/// The whole document.
pub(in crate::report) fn page(shell: &Shell<'_>) -> String {
    let policy = shell.policy.map_or(String::new(), |policy| {
        format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n")
    });
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{policy}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{}\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        mark(shell.generator),
        escape(shell.title),
        shell.style,
        shell.body,
    )
}

/// Whether a document is a page of that kind, which may be replaced by a newer one.
pub(in crate::report) fn is_made_by(generator: &str, document: &str) -> bool {
    document.contains(&mark(generator))
}

fn mark(generator: &str) -> String {
    format!("<meta name=\"generator\" content=\"{generator}\">")
}
