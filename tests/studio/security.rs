//! Who may talk to the studio, and what they may take: raw HTTP against a studio of its own.

use effigy_studio::{Limits, Settings, StudioError, Verbs, open};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A studio in a folder of its own, impatient.
struct Studio {
    folder: tempfile::TempDir,
    host: String,
    cookie: String,
    token: String,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn limits() -> Limits {
    Limits {
        connections: 32,
        idle: Duration::from_millis(700),
        head: Duration::from_millis(500),
        pause: Duration::from_millis(300),
        least_bytes_per_second: 1e4,
        ..Limits::default()
    }
}

fn settings(folder: &Path) -> Settings {
    Settings {
        dir: folder.to_path_buf(),
        port: Some(0),
        listen: None,
        program: PathBuf::from("no-such-program"),
        limits: limits(),
    }
}

/// The least that looks like effigy's command line.
fn verbs() -> Verbs {
    let path = || clap::value_parser!(PathBuf);
    let infer = clap::Command::new("infer")
        .arg(clap::Arg::new("model").long("model").value_parser(path()))
        .arg(clap::Arg::new("output").long("output").value_parser(path()));
    Verbs::of(&clap::Command::new("effigy").subcommand(infer))
}

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("recordings/a/dry.wav", "sound"),
            ("amp.toml", "name = \"amp\""),
            ("id_rsa", "SECRET"),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let opened = open(&settings(folder.path()), verbs()).unwrap();
        let url = opened.url();
        let (origin, token) = url.split_once("/#").unwrap();
        let host = origin.strip_prefix("http://").unwrap().to_string();
        std::thread::spawn(move || opened.serve());
        let mut studio = Self {
            folder,
            host,
            cookie: String::new(),
            token: token.to_string(),
        };
        let body = format!("{{\"token\":\"{}\"}}", studio.token);
        let answer = studio.ask("POST", "/api/session", &[&studio.origin()], body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let set = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("Set-Cookie: "))
            .unwrap();
        assert!(
            set.contains("SameSite=Strict") && set.contains("HttpOnly"),
            "{set}"
        );
        studio.cookie = format!("Cookie: {}", set.split(';').next().unwrap());
        studio
    }

    fn origin(&self) -> String {
        format!("Origin: http://{}", self.host)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends a request with our `Host`.
    fn ask(&self, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Answer {
        let host = format!("Host: {}", self.host);
        let fields: Vec<&str> = [host.as_str()]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        self.raw(method, path, &fields, body)
    }

    /// As the studio's own page asks.
    fn page(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.ask(method, path, &[&self.origin(), &self.cookie], body)
    }

    fn raw(&self, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for field in fields {
            head += &format!("{field}\r\n");
        }
        if !head.to_ascii_lowercase().contains("content-length") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // It may be refused before it is read.
        drop(stream.write_all(body));
        answer(&mut stream)
    }

    /// Everything below the recordings, half-written things too.
    fn recordings(&self) -> Vec<String> {
        let mut found: Vec<String> = walk(&self.folder.path().join("recordings"));
        found.sort();
        found
    }
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let names = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => walk(&path),
        path => vec![path.file_name().unwrap().to_string_lossy().into_owned()],
    });
    names.collect()
}

fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset ends it as well.
    drop(stream.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer {
        status,
        head: head.to_string(),
        body: body.to_string(),
    }
}

const JSON: &[u8] = b"{\"ids\":[]}";

#[test]
fn the_page_itself_may_do_everything() {
    let studio = Studio::new();
    assert_eq!(studio.page("GET", "/api/overview", b"").status, 200);
    assert_eq!(studio.page("POST", "/api/queue/order", JSON).status, 200);
    let answer = studio.page("PUT", "/api/upload?to=recordings/b/wet.wav", b"bytes");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        studio.page("GET", "/files/recordings/b/wet.wav", b"").body,
        "bytes"
    );
    // Nothing that was dropped before is replaced; what is the same is not kept twice.
    let again = |bytes: &[u8]| {
        studio
            .page("PUT", "/api/upload?to=recordings/b/wet.wav", bytes)
            .body
    };
    assert_eq!(again(b"other"), "{\"path\":\"recordings/b/wet-2.wav\"}");
    assert_eq!(again(b"bytes"), "{\"path\":\"recordings/b/wet.wav\"}");
    assert_eq!(studio.recordings(), ["dry.wav", "wet-2.wav", "wet.wav"]);
}

#[test]
fn a_name_that_was_made_to_lead_here_is_not_answered() {
    let studio = Studio::new();
    let port = studio.host.split(':').nth(1).unwrap();
    let hosts = [
        format!("evil.test:{port}"),
        "evil.test".into(),
        "127.0.0.1".into(),
        format!("127.0.0.1.evil.test:{port}"),
    ];
    for host in hosts {
        for path in ["/", "/api/overview"] {
            let host = format!("Host: {host}");
            assert_eq!(
                studio
                    .raw("GET", path, &[&host, &studio.cookie], b"")
                    .status,
                421,
                "{host} {path}"
            );
        }
    }
    assert_eq!(studio.raw("GET", "/", &[], b"").status, 421, "no Host");
    let twice = [
        format!("Host: {}", studio.host),
        "Host: evil.test".to_string(),
    ];
    assert_eq!(
        studio.raw("GET", "/", &[&twice[0], &twice[1]], b"").status,
        421
    );
    for name in ["localhost", "[::1]"] {
        let host = format!("Host: {name}:{port}");
        assert_eq!(studio.raw("GET", "/", &[&host], b"").status, 200, "{name}");
    }
}

#[test]
fn a_foreign_or_null_origin_changes_nothing() {
    let studio = Studio::new();
    let port = studio.host.split(':').nth(1).unwrap().to_string();
    let origins = [
        "Origin: https://evil.test".to_string(),
        "Origin: null".into(),
        "X: none".into(),
        format!("Origin: https://127.0.0.1:{port}"),
        "Origin: http://127.0.0.1:1".into(),
    ];
    for origin in origins {
        for (method, path) in [
            ("POST", "/api/queue/order"),
            ("PUT", "/api/upload?to=recordings/x/y.wav"),
            ("POST", "/api/do"),
            ("POST", "/api/session"),
            ("DELETE", "/api/overview"),
        ] {
            let answer = studio.ask(method, path, &[&origin, &studio.cookie], JSON);
            assert_eq!(answer.status, 403, "{origin} {method} {path}");
        }
    }
    assert_eq!(studio.recordings(), ["dry.wav"]);
    // No other site is ever told that it may.
    let answer = studio.ask(
        "OPTIONS",
        "/api/do",
        &[
            "Origin: https://evil.test",
            "Access-Control-Request-Method: POST",
        ],
        b"",
    );
    assert!(
        answer.status == 403 && !answer.head.contains("Access-Control"),
        "{answer:?}"
    );
}

#[test]
fn without_the_token_nothing_is_told() {
    let studio = Studio::new();
    for cookie in ["X: none", "Cookie: effigy=1", "Cookie: effigy-1=00"] {
        for path in [
            "/api/overview",
            "/api/verbs",
            "/api/events",
            "/files/recordings/a/dry.wav",
            "/files/amp.toml",
        ] {
            let answer = studio.ask("GET", path, &[cookie], b"");
            assert_eq!(answer.status, 401, "{cookie} {path}");
            assert!(!answer.body.contains("sound") && !answer.body.contains("amp"));
        }
        assert_eq!(
            studio
                .ask(
                    "POST",
                    "/api/queue/order",
                    &[&studio.origin(), cookie],
                    JSON
                )
                .status,
            401
        );
    }
    for token in [
        "",
        "00",
        &studio.token[1..],
        &studio.token.to_uppercase(),
        &format!("{}0", studio.token),
    ] {
        let body = format!("{{\"token\":\"{token}\"}}");
        let answer = studio.ask("POST", "/api/session", &[&studio.origin()], body.as_bytes());
        assert!(
            answer.status == 401 && !answer.head.contains("Set-Cookie"),
            "{token}: {answer:?}"
        );
    }
    let name = studio.cookie.split('=').next().unwrap();
    let wrong = format!("{name}={}", "0".repeat(64));
    assert_eq!(
        studio.ask("GET", "/api/overview", &[&wrong], b"").status,
        401
    );
}

#[test]
fn a_form_of_another_site_is_refused() {
    let studio = Studio::new();
    // As browsers send one; the cookie, which they would not send, included.
    for fields in [
        [
            "Origin: https://evil.test",
            "Sec-Fetch-Site: cross-site",
            "Content-Type: text/plain",
        ],
        [
            "Origin: null",
            "Sec-Fetch-Site: cross-site",
            "Content-Type: application/x-www-form-urlencoded",
        ],
        [
            "Origin: http://localhost:1",
            "Sec-Fetch-Site: same-site",
            "Content-Type: multipart/form-data; boundary=x",
        ],
    ] {
        let fields: Vec<&str> = fields.into_iter().chain([studio.cookie.as_str()]).collect();
        let body = b"{\"verb\":[\"infer\"],\"values\":{}}";
        assert_eq!(studio.ask("POST", "/api/do", &fields, body).status, 403);
    }
    // Another port of this machine counts as the same site: its images and frames carry our cookie.
    for site in ["same-site", "cross-site"] {
        let site = format!("Sec-Fetch-Site: {site}");
        assert_eq!(
            studio
                .ask(
                    "GET",
                    "/files/recordings/a/dry.wav",
                    &[&studio.cookie, &site],
                    b""
                )
                .status,
            403
        );
    }
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let studio = Studio::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.wav"), "SECRET").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), studio.folder.path().join("recordings/link"))
        .unwrap();
    let paths = [
        "../id_rsa",
        "recordings/../id_rsa",
        "recordings/../../../../etc/passwd",
        "/etc/passwd",
        "id_rsa",
        "%2e%2e/id_rsa",
        "recordings/%2e%2e/id_rsa",
        "recordings/..%2fid_rsa",
        "recordings%2f..%2fid_rsa",
        "%252e%252e/id_rsa",
        "recordings/..%5cid_rsa",
        "..%5c..%5cwindows%5cwin.ini",
        "C:%5cwindows%5cwin.ini",
        "recordings/a:b",
        "recordings/NUL",
        "recordings/dry.wav%00.png",
        "recordings/link/secret.wav",
        "recordings/%2f%2fetc/passwd",
        "recordings/./a/dry.wav",
        "studio/../id_rsa",
        ".",
    ];
    for path in paths {
        let answer = studio.page("GET", &format!("/files/{path}"), b"");
        assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
        assert!(
            !answer.body.contains("SECRET") && !answer.body.contains("root:"),
            "{path}"
        );
        for ask in ["outline?of", "close?of", "config?of", "run?run"] {
            let answer = studio.page("GET", &format!("/api/{ask}={path}"), b"");
            assert!(
                matches!(answer.status, 403 | 404),
                "{ask} {path}: {answer:?}"
            );
        }
        for ask in ["upload?to", "config?of"] {
            let answer = studio.page("PUT", &format!("/api/{ask}={path}"), b"name = \"x\"");
            assert!(
                matches!(answer.status, 403 | 404),
                "{ask} {path}: {answer:?}"
            );
        }
    }
    assert_eq!(walk(outside.path()), ["secret.wav"]);
    assert_eq!(
        fs::read_to_string(studio.folder.path().join("id_rsa")).unwrap(),
        "SECRET"
    );
    // The same for what a verb is told to read and write.
    for values in [
        "\"model\":\"../x\"",
        "\"model\":\"id_rsa\"",
        "\"output\":\"recordings/a/dry.wav\"",
        "\"output\":\"../x.wav\"",
        "\"output\":\"checkpoints/x\"",
        "\"other\":1",
    ] {
        let body = format!("{{\"verb\":[\"infer\"],\"values\":{{{values}}}}}");
        let answer = studio.page("POST", "/api/do", body.as_bytes());
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{values}: {answer:?}"
        );
    }
    for verb in ["[\"train\"]", "[\"man\"]", "[\"infer\",\"--help\"]", "[]"] {
        let body = format!("{{\"verb\":{verb}}}");
        assert_eq!(
            studio.page("POST", "/api/do", body.as_bytes()).status,
            400,
            "{verb}"
        );
    }
}

#[test]
fn ten_gigabytes_are_refused_when_they_are_announced() {
    let studio = Studio::new();
    let path = "/api/upload?to=recordings/big/a.wav";
    let started = Instant::now();
    let answer = studio.ask(
        "PUT",
        path,
        &[
            &studio.origin(),
            &studio.cookie,
            "Content-Length: 10000000000",
        ],
        b"RIFF",
    );
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let endless = studio.ask(
        "PUT",
        path,
        &[
            &studio.origin(),
            &studio.cookie,
            "Transfer-Encoding: chunked",
        ],
        b"",
    );
    assert_eq!(endless.status, 411);
    assert_eq!(studio.recordings(), ["dry.wav"]);
    let json = vec![b' '; (2 << 20) + 1];
    assert_eq!(studio.page("POST", "/api/queue/order", &json).status, 413);
}

#[test]
fn a_slow_or_broken_upload_leaves_nothing() {
    let studio = Studio::new();
    let head = |len: usize| {
        let (origin, cookie, host) = (studio.origin(), &studio.cookie, &studio.host);
        format!(
            "PUT /api/upload?to=recordings/slow/a.wav HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n{cookie}\r\nContent-Length: {len}\r\n\r\n"
        )
    };
    // A byte now and then: never silent for long, never fast enough.
    let mut stream = studio.connect();
    stream.write_all(head(100_000).as_bytes()).unwrap();
    let (tell, told) = mpsc::channel();
    let mut reading = stream.try_clone().unwrap();
    std::thread::spawn(move || tell.send(answer(&mut reading)));
    let started = Instant::now();
    let slow = loop {
        if let Ok(slow) = told.recv_timeout(Duration::from_millis(50)) {
            break slow;
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "it is still taken"
        );
        drop(stream.write_all(b"x"));
    };
    assert_eq!(slow.status, 408, "{slow:?}");
    // One that stops, one whose head never ends, one that is cut.
    for (sent, status) in [
        (head(100) + "half", 408),
        ("GET / HTTP/1.1\r\nHost: a\r\nX".to_string(), 408),
    ] {
        let mut stream = studio.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).status, status);
    }
    let mut cut = studio.connect();
    cut.write_all((head(100) + "half").as_bytes()).unwrap();
    drop(cut);
    let until = Instant::now() + Duration::from_secs(5);
    while studio.recordings() != ["dry.wav"] && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(studio.recordings(), ["dry.wav"]);
    assert!(
        !studio
            .page("GET", "/api/overview", b"")
            .body
            .contains("slow")
    );
}

#[test]
fn a_thousand_connections_at_once_do_no_harm() {
    let studio = Studio::new();
    let mut held = Vec::new();
    for _ in 0..1000 {
        // The system may run out before the studio does.
        match TcpStream::connect(&studio.host) {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    assert!(held.len() > 500, "{}", held.len());
    #[cfg(target_os = "linux")]
    {
        let threads = fs::read_dir("/proc/self/task").unwrap().count();
        assert!(threads < 32 + 200, "{threads} threads");
    }
    // While they are held, and after those that are silent were let go.
    let until = Instant::now() + Duration::from_secs(5);
    while studio.page("GET", "/api/overview", b"").status != 200 {
        assert!(Instant::now() < until, "the page is locked out");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn names_are_text_and_nothing_else() {
    let studio = Studio::new();
    let name = "<script>alert(1)<b>'\".wav";
    let encoded: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
    let answer = studio.page(
        "PUT",
        &format!("/api/upload?to=recordings/x/{encoded}"),
        b"bytes",
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let overview = studio.page("GET", "/api/overview", b"");
    assert!(
        overview.head.contains("Content-Type: application/json")
            && overview.head.contains("nosniff")
    );
    assert!(
        overview.body.contains("<script>alert(1)"),
        "it is listed as it is called"
    );
    let file = studio.page(
        "GET",
        &format!("/files/recordings/x/{encoded}?download"),
        b"",
    );
    assert_eq!(file.body, "bytes");
    assert!(
        file.head.contains("filename*=UTF-8''%3Cscript%3E"),
        "{}",
        file.head
    );
    // A page that somebody has put into the folder runs nowhere near the studio.
    fs::write(
        studio.folder.path().join("recordings/x/evil.html"),
        "<script>top.x</script>",
    )
    .unwrap();
    let page = studio.page("GET", "/files/recordings/x/evil.html", b"");
    assert!(
        page.head.contains("sandbox allow-scripts") && page.head.contains("default-src 'none'"),
        "{}",
        page.head
    );
    assert!(!page.head.contains("allow-same-origin"));
    // An error says the name, as text, and not where the folder lies.
    let odd = studio.page("GET", "/api/outline?of=recordings/a/dry.wav", b"");
    assert!(
        odd.status == 422
            && odd
                .body
                .starts_with("recordings/a/dry.wav: is not a sound file"),
        "{odd:?}"
    );
    let missing = studio.page("GET", "/api/outline?of=recordings/%3Cscript%3E.wav", b"");
    assert!(missing.head.contains("Content-Type: text/plain") && missing.head.contains("nosniff"));
}

#[test]
fn every_answer_is_guarded() {
    let studio = Studio::new();
    for (path, status) in [
        ("/", 200),
        ("/app.js", 200),
        ("/nothing", 404),
        ("/api/overview", 200),
    ] {
        let answer = studio.page("GET", path, b"");
        assert_eq!(answer.status, status, "{path}");
        for field in [
            "Content-Security-Policy: default-src 'none'; script-src 'self'",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "frame-ancestors 'none'",
        ] {
            assert!(
                answer.head.contains(field),
                "{path}: {field}: {}",
                answer.head
            );
        }
        assert!(
            !answer.head.contains("Access-Control") && !answer.head.contains("unsafe"),
            "{path}"
        );
    }
    let page = studio.page("GET", "/", b"").body;
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<style"));
    assert!(!page.contains("<script>"), "no inline script");
}

#[test]
fn others_are_let_in_by_their_token_alone_and_it_is_said_what_that_means() {
    let place = tempfile::tempdir().unwrap();
    let listen = |address: &str| Settings {
        listen: Some(address.parse().unwrap()),
        ..settings(place.path())
    };
    let opened = open(&listen("127.0.0.1"), verbs()).unwrap();
    assert_eq!(opened.warning(), None);
    drop(opened);
    let opened = open(&listen("0.0.0.0"), verbs()).unwrap();
    let warning = opened.warning().unwrap();
    for part in ["0.0.0.0", "whoever in your network", "token", "can be read"] {
        assert!(warning.contains(part), "{warning}");
    }
    let url = opened.url();
    let (origin, token) = url.split_once("/#").unwrap();
    assert_eq!(token.len(), 64);
    let host = origin.strip_prefix("http://").unwrap().to_string();
    let port = host.split(':').nth(1).unwrap().to_string();
    std::thread::spawn(move || opened.serve());
    let studio = Studio {
        folder: place,
        host,
        cookie: String::new(),
        token: token.to_string(),
    };
    // By number at any of this machine's addresses, never by a name, and never without the cookie.
    for (name, status) in [
        ("192.168.1.6", 401),
        ("127.0.0.1", 401),
        ("studio.lan", 421),
        ("0.0.0.0", 421),
    ] {
        let host = format!("Host: {name}:{port}");
        let answer = studio.raw("GET", "/api/overview", &[&host], b"");
        assert_eq!(answer.status, status, "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named_and_not_made() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("captuers");
    let error = open(&settings(&missing), verbs()).unwrap_err();
    assert!(matches!(error, StudioError::NoFolder(_)));
    let text = error.to_string();
    assert!(
        text.contains("captuers") && text.contains("no such folder"),
        "{text}"
    );
    assert!(!missing.exists());
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = open(&settings(&file), verbs()).unwrap_err();
    assert!(matches!(error, StudioError::Folder { .. }), "{error}");
}

#[test]
fn a_second_studio_on_a_folder_says_so() {
    let studio = Studio::new();
    let error = open(&settings(studio.folder.path()), verbs()).unwrap_err();
    assert!(matches!(error, StudioError::Busy { .. }));
    let text = error.to_string();
    assert!(
        text.contains("another effigy studio")
            && text.contains(&studio.host)
            && !text.contains(&studio.token),
        "{text}"
    );
    let taken: u16 = studio.host.split(':').nth(1).unwrap().parse().unwrap();
    let other = tempfile::tempdir().unwrap();
    let asked = Settings {
        port: Some(taken),
        ..settings(other.path())
    };
    assert!(matches!(
        open(&asked, verbs()),
        Err(StudioError::Listen { .. })
    ));
}
