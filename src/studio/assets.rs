//! The page's own files, in the binary: plain modules and a style sheet, nothing that is fetched from
//! elsewhere.

use crate::http::Response;
use effigy_base::report::html;

/// What the page may do: nothing from anywhere else, no script and no style that is not a file here.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    media-src 'self' blob:; connect-src 'self'; frame-src 'self'; worker-src 'self'; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// What a file of the folder may do, whoever made it: nothing that reaches the studio. A report's page
/// has its own scripts and players in it; it runs as a page from nowhere.
pub const FILE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    img-src data:; media-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; \
    sandbox allow-scripts";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! modules {
    ($($name:literal),+ $(,)?) => {
        /// The page's modules.
        const MODULES: &[(&str, &str)] = &[$(($name, include_str!(concat!("page/", $name)))),+];
    };
}

modules!(
    "app.js",
    "api.js",
    "ui.js",
    "capture.js",
    "queue.js",
    "training.js",
    "models.js",
    "sounds.js",
    "player.js",
    "pictures.js",
    "recorder.js",
    "recorder-worklet.js",
    "forms.js",
    "words.js",
);

/// The file at a path, if there is one.
pub fn find(path: &str) -> Option<Response> {
    let of = |kind, text: &'static str| Some(Response::embedded(kind, text.as_bytes()));
    match path {
        "/" => of(HTML, include_str!("page/index.html")),
        "/studio.css" => of(STYLE, include_str!("page/studio.css")),
        "/icon.svg" => of("image/svg+xml", include_str!("page/icon.svg")),
        "/theme.js" => of(SCRIPT, html::THEME),
        "/base.css" => Some(Response::bytes(
            200,
            STYLE,
            html::style_sheet().into_bytes(),
        )),
        _ => {
            let name = path.strip_prefix('/')?;
            let (_, text) = MODULES.iter().find(|(module, _)| *module == name)?;
            of(SCRIPT, text)
        }
    }
}

/// The kind of a file by its ending; what is not known is only downloaded.
pub fn kind_of(name: &str) -> &'static str {
    let ending = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" => "audio/ogg",
        "aif" | "aiff" | "aifc" => "audio/aiff",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "html" => HTML,
        "toml" | "log" | "txt" | "md" => "text/plain; charset=utf-8",
        "json" | "nam" | "aidax" => "application/json",
        _ => "application/octet-stream",
    }
}
