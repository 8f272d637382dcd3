//! What every address of the studio answers.

use crate::access::Access;
use crate::assets;
use crate::error::Refusal;
use crate::events;
use crate::excerpt;
use crate::folder::{CHECKPOINTS, Folder, MODELS, RECORDINGS, SOUNDS, STUDIO};
use crate::http::{Limits, Request, Response, decoded};
use crate::listing;
use crate::memory;
use crate::program::Program;
use crate::queue::{self, Act, Queue};
use crate::sound;
use crate::upload;
use crate::verbs::{Asked, Verbs};
use effigy_base::files;
use serde::Deserialize;
use serde_json::json;
use std::fs::{self, File};
use std::sync::Arc;

/// Everything that an answer may need. It holds no truth: the folder does.
#[derive(Debug)]
pub struct Studio {
    /// Who may ask.
    pub access: Access,
    /// Where everything lies.
    pub folder: Folder,
    /// What runs the verbs.
    pub program: Program,
    /// Which there are.
    pub verbs: Verbs,
    /// The trainings.
    pub queue: Arc<Queue>,
    /// What a peer may take.
    pub limits: Limits,
}

type Answer = Result<Response, Refusal>;

impl Studio {
    /// Answers a request.
    pub fn answer(self: &Arc<Self>, request: &mut Request<'_>) -> Response {
        let answered = match self.access.check(request) {
            Err(refused) => *refused,
            Ok(()) => self
                .route(request)
                .unwrap_or_else(|refusal| refusal.response(self.folder.root())),
        };
        guarded(answered)
    }

    fn route(self: &Arc<Self>, request: &mut Request<'_>) -> Answer {
        let reads = matches!(request.method(), "GET" | "HEAD");
        let (method, path) = (request.method().to_string(), request.path().to_string());
        if let Some(inside) = path.strip_prefix("/files/").filter(|_| reads) {
            return self.file(inside, request);
        }
        if let Some(asset) = assets::find(&path).filter(|_| reads) {
            return Ok(asset);
        }
        match (method.as_str(), path.as_str()) {
            ("POST", "/api/session") => self.session(request),
            ("GET", "/api/overview") => self.overview(),
            ("GET", "/api/verbs") => Ok(Response::json(200, &self.verbs.forms())),
            ("GET", "/api/runs") => self.runs(),
            ("GET", "/api/run") => self.run(request),
            ("GET", "/api/events") => self.events(request),
            ("GET", "/api/outline") => self.outline(request),
            ("GET", "/api/close") => self.close(request),
            ("GET", "/api/config") => self.config(request),
            ("PUT", "/api/config") => self.save_config(request),
            ("PUT", "/api/upload") => self.upload(request),
            ("POST", "/api/do") => self.verb(request),
            ("POST", "/api/excerpt") => self.excerpt(request),
            ("POST", "/api/playable") => self.playable(request),
            ("POST", "/api/queue/add") => self.add(request),
            ("POST", "/api/queue/order") => self.order(request),
            ("POST", "/api/queue/act") => self.act(request),
            _ => Err(Refusal::Missing(
                "there is nothing at this address".to_string(),
            )),
        }
    }

    fn session(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            token: String,
        }
        let body: Body = request.json()?;
        Ok(match self.access.admit(&body.token) {
            Some(cookie) => Response::json(200, &json!({})).field("Set-Cookie", cookie),
            None => Response::text(
                401,
                "this address is of an earlier start; open the one that effigy studio has printed",
            ),
        })
    }

    fn overview(&self) -> Answer {
        let list = |area: &str| listing::files_in(&self.folder.at(area));
        let name = self.folder.root().file_name().unwrap_or_default();
        Ok(Response::json(
            200,
            &json!({
                "folder": name.to_string_lossy(),
                "path": self.folder.root().to_string_lossy(),
                "version": env!("CARGO_PKG_VERSION"),
                "queue": self.queue.shown(),
                "configs": listing::configs(self.folder.root()),
                "recordings": list(RECORDINGS),
                "models": list(MODELS),
                "sounds": list(SOUNDS),
                "upload_limit": self.limits.upload,
            }),
        ))
    }

    /// The command line's own list, with how far each run is.
    fn runs(&self) -> Answer {
        if !self.folder.at(CHECKPOINTS).is_dir() {
            return Ok(Response::json(
                200,
                &json!({ "runs": [], "unreadable": [] }),
            ));
        }
        let arguments = ["runs", "--json"].map(str::to_string);
        let mut found = self.program.result(&arguments).map_err(Refusal::Said)?;
        for run in found["runs"].as_array_mut().into_iter().flatten() {
            let name = run["run"].as_str().unwrap_or_default().to_string();
            run["page"] = json!(self.folder.at(&name).join("report.html").is_file());
            run["progress"] = json!(self.queue.progress(&name, None));
        }
        Ok(Response::json(200, &found))
    }

    fn run(&self, request: &Request<'_>) -> Answer {
        let run = self.run_of(request)?;
        let read = |name: &str| fs::read_to_string(self.folder.at(&run).join(name)).ok();
        let json_of = |name: &str| read(name).and_then(|text| serde_json::from_str(&text).ok());
        let report: Option<serde_json::Value> = json_of("report.json");
        let shown = self.queue.shown_run(&run);
        let own = shown.as_ref().and_then(|job| job.progress().cloned());
        let progress = own.or_else(|| self.queue.progress(&run, None));
        Ok(Response::json(
            200,
            &json!({
                "run": run,
                "job": shown,
                "progress": progress,
                "report": report,
                "tests": listing::files_in(&self.folder.at(&run).join("test")),
                "page": self.folder.at(&run).join("report.html").is_file(),
            }),
        ))
    }

    fn events(self: &Arc<Self>, request: &Request<'_>) -> Answer {
        let log = match request.query("run") {
            Some(_) => {
                let run = self.run_of(request)?;
                let seen = request
                    .field("last-event-id")
                    .map(str::to_string)
                    .or(request.query("seen"));
                let seen = seen.and_then(|seen| seen.parse().ok()).unwrap_or(0);
                Some((queue::log_of(&self.folder, &run), seen))
            }
            None => None,
        };
        let studio = Arc::clone(self);
        Ok(Response::stream(
            "text/event-stream",
            Box::new(move |out| events::tell(&studio.folder, &studio.queue, log, out)),
        ))
    }

    /// The run that a query names, by its folder.
    fn run_of(&self, request: &Request<'_>) -> Result<String, Refusal> {
        let run = request.query("run").unwrap_or_default();
        self.queue.run_folder(&run)?;
        match self.folder.existing(&run) {
            // Its search may be under way, or its turn not have come.
            Err(crate::folder::PathError::Missing(_)) => Ok(run),
            found => Ok(found.map(|_| run)?),
        }
    }

    fn outline(&self, request: &Request<'_>) -> Answer {
        let path = self
            .folder
            .existing(&request.query("of").unwrap_or_default())?;
        Ok(Response::json(200, &sound::outline(&path)?))
    }

    fn close(&self, request: &Request<'_>) -> Answer {
        let path = self
            .folder
            .existing(&request.query("of").unwrap_or_default())?;
        let number = |key| {
            request
                .query(key)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        Ok(Response::json(
            200,
            &sound::close(&path, number("from"), number("count"))?,
        ))
    }

    fn config(&self, request: &Request<'_>) -> Answer {
        let name = request.query("of").unwrap_or_default();
        let path = self.folder.config(&name)?;
        let text = fs::read_to_string(path).map_err(Refusal::disk(name))?;
        Ok(Response::text(200, &text))
    }

    fn save_config(&self, request: &mut Request<'_>) -> Answer {
        let name = request.query("of").unwrap_or_default();
        let path = self.folder.config(&name)?;
        let text = request.bytes(self.limits.json)?;
        // What cannot be read back is not kept; how it is wrong is the command line's own sentence.
        let parsed = String::from_utf8(text).map_err(|e| Refusal::said(&e))?;
        effigy_base::config::parse(&parsed, &path, &[]).map_err(|e| Refusal::said(&e))?;
        files::write(&path, parsed.as_bytes()).map_err(Refusal::disk(name))?;
        Ok(Response::json(200, &json!({})))
    }

    fn upload(&self, request: &mut Request<'_>) -> Answer {
        let to = request.query("to").unwrap_or_default();
        let path = self.folder.upload(&to)?;
        let taken = upload::take(request, &path, self.limits.upload)?;
        let name = taken.file_name().unwrap_or_default().to_string_lossy();
        let folder = to.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(Response::json(
            200,
            &json!({ "path": format!("{folder}/{name}") }),
        ))
    }

    fn verb(self: &Arc<Self>, request: &mut Request<'_>) -> Answer {
        let asked: Asked = request.json()?;
        let arguments = self.verbs.arguments(&asked, &self.folder)?;
        let busy = || {
            Refusal::Conflict(
                "three things are being made at once already; wait for one".to_string(),
            )
        };
        let place = self.program.place().ok_or_else(busy)?;
        let studio = Arc::clone(self);
        Ok(Response::stream(
            "application/x-ndjson",
            Box::new(move |out| {
                let _place = place;
                let told = studio.program.tell(&arguments, out)?;
                listing::keep_record(&studio.folder, &arguments, &told);
                Ok(())
            }),
        ))
    }

    fn excerpt(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            run: String,
        }
        let body: Body = request.json()?;
        self.queue.run_folder(&body.run)?;
        let cut = excerpt::excerpt(&self.folder, &body.run);
        memory::give_back();
        Ok(Response::json(200, &cut?))
    }

    fn playable(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            of: String,
        }
        let body: Body = request.json()?;
        let from = self.folder.existing(&body.of)?;
        let name = format!("{STUDIO}/listen/{}.wav", body.of.replace('/', "-"));
        sound::to_wav(&from, &self.folder.result(&name)?)?;
        Ok(Response::json(200, &json!({ "path": name })))
    }

    fn add(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            config: Option<String>,
            run: Option<String>,
        }
        let body: Body = request.json()?;
        let job = self
            .queue
            .add(body.config.as_deref(), body.run.as_deref())?;
        Ok(Response::json(200, &job))
    }

    fn order(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            ids: Vec<String>,
        }
        let body: Body = request.json()?;
        self.queue.order(&body.ids)?;
        Ok(Response::json(200, &json!({})))
    }

    fn act(&self, request: &mut Request<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Body {
            id: String,
            #[serde(flatten)]
            act: Act,
        }
        let body: Body = request.json()?;
        self.queue.act(&body.id, &body.act)?;
        Ok(Response::json(200, &json!({})))
    }

    /// A file of the folder, or a piece of one.
    fn file(&self, encoded: &str, request: &Request<'_>) -> Answer {
        let missing = || Refusal::Missing("there is no such file".to_string());
        let inside = decoded(encoded).ok_or_else(missing)?;
        let path = self.folder.existing(&inside)?;
        if !path.is_file() {
            return Err(missing());
        }
        let name = inside.rsplit('/').next().unwrap_or_default();
        let file = File::open(&path).map_err(Refusal::disk(inside.clone()))?;
        let response = Response::file(assets::kind_of(name), file, request.field("range"));
        let response = response.map_err(Refusal::disk(inside.clone()))?;
        let response = response.field("Content-Security-Policy", assets::FILE_POLICY.to_string());
        Ok(match request.query("download") {
            Some(_) => response.field("Content-Disposition", attachment(name)),
            None => response,
        })
    }
}

/// A download under the file's own name (RFC 6266), whatever letters are in it.
fn attachment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let encoded: String = name.bytes().map(encode).collect();
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// The fields that every answer carries.
fn guarded(mut response: Response) -> Response {
    if !response.has("Content-Security-Policy") {
        response = response.field("Content-Security-Policy", assets::POLICY.to_string());
    }
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ] {
        response = response.field(name, value.to_string());
    }
    response
}
