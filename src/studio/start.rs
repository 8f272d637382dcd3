//! Starting: the folder taken, the address bound, the secrets drawn.

use crate::access::Access;
use crate::error::StudioError;
use crate::folder::{Folder, STUDIO};
use crate::http::{self, Limits};
use crate::program::Program;
use crate::queue;
use crate::routes::Studio;
use crate::verbs::Verbs;
use effigy_base::files::{self, Lock, system};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the studio listens unless told otherwise, if that is free.
const PORT: u16 = 8117;

/// The file that tells another studio where this one is.
const ADDRESS: &str = "address";

/// How to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder.
    pub dir: PathBuf,
    /// The port; absent: 8117, or any other where that is taken.
    pub port: Option<u16>,
    /// The address; absent: this machine alone.
    pub listen: Option<IpAddr>,
    /// The program whose verbs do the work.
    pub program: PathBuf,
    /// What a peer may take.
    pub limits: Limits,
}

/// A studio that is ready to serve.
#[derive(Debug)]
pub struct Opened {
    listener: TcpListener,
    studio: Arc<Studio>,
    _lock: Lock,
}

/// Takes the folder and the address.
///
/// # Errors
/// [`StudioError`].
pub fn open(settings: &Settings, verbs: Verbs) -> Result<Opened, StudioError> {
    let folder_error = |source| StudioError::Folder {
        folder: settings.dir.clone(),
        source,
    };
    // A name that was mistyped would else become a folder in which nothing is.
    if !settings.dir.exists() {
        return Err(StudioError::NoFolder(settings.dir.clone()));
    }
    let own = settings.dir.join(STUDIO);
    system::create_dir_all(&own).map_err(folder_error)?;
    let folder = Folder::open(&settings.dir).map_err(folder_error)?;
    let lock = Lock::take(&own).map_err(folder_error)?;
    let lock = lock.ok_or_else(|| busy(settings))?;
    let listener = listen(settings)?;
    let address = listener.local_addr().map_err(folder_error)?;
    let access = Access::new(address).map_err(StudioError::Random)?;
    files::write(&own.join(ADDRESS), access.origin().as_bytes()).map_err(folder_error)?;
    let program = Program::new(settings.program.clone(), folder.root());
    let queue = queue::open(&folder, &program);
    let queue = queue.map_err(|e| folder_error(io::Error::other(e.to_string())))?;
    let limits = settings.limits.clone();
    let studio = Studio {
        access,
        folder,
        program,
        verbs,
        queue,
        limits,
    };
    Ok(Opened {
        listener,
        studio: Arc::new(studio),
        _lock: lock,
    })
}

fn busy(settings: &Settings) -> StudioError {
    let told = fs::read_to_string(settings.dir.join(STUDIO).join(ADDRESS));
    let at = told.map(|at| format!(", at {at}")).unwrap_or_default();
    StudioError::Busy {
        folder: settings.dir.clone(),
        at,
    }
}

fn listen(settings: &Settings) -> Result<TcpListener, StudioError> {
    let ip = settings.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let bind = |port| TcpListener::bind(SocketAddr::new(ip, port));
    let bound = match settings.port {
        Some(port) => bind(port),
        None => bind(PORT).or_else(|_| bind(0)),
    };
    let address = SocketAddr::new(ip, settings.port.unwrap_or(PORT));
    bound.map_err(|source| StudioError::Listen { address, source })
}

impl Opened {
    /// The address with its token.
    pub fn url(&self) -> String {
        self.studio.access.url()
    }

    /// The address to hand to a browser, good for one time.
    pub fn ticket_url(&self) -> String {
        self.studio.access.ticket_url()
    }

    /// The absolute folder.
    pub fn folder(&self) -> PathBuf {
        self.studio.folder.root().to_path_buf()
    }

    /// What it means that other machines are let in, where they are.
    pub fn warning(&self) -> Option<String> {
        let ip = self.listener.local_addr().ok()?.ip();
        let elsewhere = match ip.is_unspecified() {
            true => "; from elsewhere the address has this machine's own in place of 127.0.0.1",
            false => "",
        };
        (!ip.is_loopback()).then(|| {
            format!(
                "listening at {ip}: whoever in your network holds this address with its token can do all \
                 that you can do in the page, and what is sent can be read on the way{elsewhere}"
            )
        })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// The system's own.
    pub fn serve(self) -> io::Result<()> {
        let studio = Arc::clone(&self.studio);
        let limits = studio.limits.clone();
        http::serve(
            &self.listener,
            limits,
            Arc::new(move |request| studio.answer(request)),
        )
    }
}
