//! A dropped file on its way to the disk: under a scratch name until it is whole.

use crate::error::Refusal;
use crate::http::Request;
use effigy_base::files::ScratchFile;
use std::io::Write;
use std::path::Path;

/// Takes a request's body as a file.
///
/// # Errors
/// Too long, broken off or too slow, and nothing is left of it; the disk.
pub fn take(request: &mut Request<'_>, to: &Path, most: u64) -> Result<(), Refusal> {
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if request.body_len() == 0 {
        return Err(Refusal::Missing(format!("{name}: the file is empty")));
    }
    if request.body_len() > most {
        let len = request.body_len();
        return Err(crate::http::BodyError::TooLong { len, most }.into());
    }
    let mut file = ScratchFile::create(to).map_err(Refusal::disk(name.clone()))?;
    request.copy_body(most, &mut |piece| file.write_all(piece))?;
    file.commit().map_err(Refusal::disk(name))
}
