//! What every way of writing leaves behind, whichever operation fails and however it ends.

use super::replay::{Disk, ENDS, End, Tree, write_out};
use super::watch::{Operation, Watch};
use super::*;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = names.map(name).collect();
    names.sort();
    names
}

/// One file replaced, a folder replaced, one appended to by hand.
fn write_all(dir: &Path) -> io::Result<()> {
    write(&dir.join("a.txt"), b"new")?;
    write_dir(&dir.join("folder"), |scratch| {
        system::write_new(&scratch.join("x"), b"new x")?;
        system::write_new(&scratch.join("y"), b"new y")
    })?;
    write(&dir.join("in/b.txt"), b"new")
}

/// A place where an older version of everything lies.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), b"old").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("folder/x"), b"old x").unwrap();
    dir
}

/// What is there under its own name is whole: old or new.
fn assert_whole(tree: &Tree, what: &str) {
    let at = |name: &str| tree.get(Path::new(name)).and_then(Option::as_deref);
    assert!(matches!(at("a.txt"), Some(b"old" | b"new")), "{what}");
    match at("folder/y") {
        Some(y) => assert_eq!(
            (at("folder/x"), y),
            (Some(&b"new x"[..]), &b"new y"[..]),
            "{what}"
        ),
        // Between the two renames it is aside, whole.
        None => assert!(matches!(at("folder/x"), Some(b"old x") | None), "{what}"),
    }
    assert!(matches!(at("in/b.txt"), None | Some(b"new")), "{what}");
}

fn recorded() -> (Disk, Vec<Operation>) {
    let place = place();
    let before = Disk::read(place.path()).unwrap();
    let watch = Watch::recording(place.path());
    write_all(place.path()).unwrap();
    (before, watch.operations())
}

#[test]
fn whatever_ends_a_write_leaves_whole_files() {
    let (mut disk, operations) = recorded();
    assert!(operations.len() > 20, "{}", operations.len());
    for (number, operation) in operations.iter().enumerate() {
        disk.apply(operation);
        for end in ENDS {
            assert_whole(
                &disk.left(end),
                &format!("{end:?} after {number} {operation:?}"),
            );
        }
    }
    // Nothing that was reported done can be lost.
    for end in ENDS {
        let left = disk.left(end);
        let files = left.iter().filter(|(_, contents)| contents.is_some());
        let scratch = |path: &&PathBuf| path.to_string_lossy().contains("scratch");
        let files: Vec<&PathBuf> = files.map(|(path, _)| path).collect();
        let kept: Vec<_> = files.iter().copied().filter(|p| !scratch(p)).collect();
        let expected = ["a.txt", "folder/x", "folder/y", "in/b.txt"];
        assert_eq!(
            kept,
            expected.iter().map(Path::new).collect::<Vec<_>>(),
            "{end:?}"
        );
    }
}

/// The same operations, the syncs left out: the test of the test.
#[test]
fn without_syncs_the_same_is_lost() {
    let (mut disk, operations) = recorded();
    for operation in &operations {
        if !matches!(operation, Operation::Sync(_) | Operation::SyncDir(_)) {
            disk.apply(operation);
        }
    }
    let at = |end, name: &str| disk.left(end).get(Path::new(name)).cloned().flatten();
    assert_eq!(at(End::NamesOnly, "a.txt"), Some(Vec::new()));
    assert_eq!(at(End::PowerLoss, "a.txt"), Some(b"old".to_vec()));
    assert_eq!(at(End::HalfWritten, "a.txt"), Some(b"n".to_vec()));
}

#[test]
fn a_replayed_disk_is_the_disk() {
    let place = place();
    let mut disk = Disk::read(place.path()).unwrap();
    let watch = Watch::recording(place.path());
    write_all(place.path()).unwrap();
    watch.operations().iter().for_each(|o| disk.apply(o));
    let now = Disk::read(place.path()).unwrap();
    assert_eq!(disk.left(End::Kill), now.left(End::Kill));
    let copy = place.path().join("copy");
    write_out(&disk.left(End::Kill), &copy).unwrap();
    assert_eq!(
        Disk::read(&copy).unwrap().left(End::Kill),
        now.left(End::Kill)
    );
}

#[test]
fn whichever_operation_fails_leaves_whole_files_and_no_scratch() {
    let (_, operations) = recorded();
    for number in 0..operations.len() {
        let place = place();
        let watch = Watch::failing(place.path(), number, full);
        let written = write_all(place.path());
        drop(watch);
        let left = Disk::read(place.path()).unwrap().left(End::Kill);
        let what = format!("{number} {:?}: {written:?}", operations[number]);
        assert_whole(&left, &what);
        let removes = matches!(
            operations[number],
            Operation::RemoveFile(_) | Operation::RemoveDir(_)
        );
        // The old folder that could not be removed is left to the next sweep.
        assert!(written.is_err() || removes, "{what}");
        let scratch = left.keys().any(|p| p.to_string_lossy().contains("scratch"));
        assert_eq!(scratch, removes, "{what}");
    }
}

#[test]
fn an_uncommitted_file_leaves_the_old_one_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.txt");
    write(&target, b"old").unwrap();
    let mut file = ScratchFile::create(&target).unwrap();
    io::Write::write_all(&mut file, b"half").unwrap();
    drop(file);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["a.txt"]);
}

#[test]
fn left_overs_of_the_dead_are_removed_and_the_livings_stay() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.wav.effigy-scratch-1-1"), b"").unwrap();
    fs::create_dir(at("best.effigy-scratch-1-2")).unwrap();
    fs::write(at("best.effigy-scratch-1-2/x"), b"").unwrap();
    fs::write(at("keep"), b"").unwrap();
    let living = ScratchFile::create(&at("b.wav")).unwrap();
    assert_eq!(names(dir.path()).len(), 2, "{:?}", names(dir.path()));
    remove_scratch(dir.path()).unwrap();
    living.commit().unwrap();
    assert_eq!(names(dir.path()), ["b.wav", "keep"]);
}

#[test]
fn one_at_a_time_has_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = Lock::take(dir.path()).unwrap();
    assert!(first.is_some());
    assert!(Lock::take(dir.path()).unwrap().is_none());
    drop(first);
    assert!(Lock::take(dir.path()).unwrap().is_some());
}

#[test]
fn names_of_255_bytes_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    for len in [239, 240, 241, 254, 255] {
        let target = dir.path().join("x".repeat(len));
        write(&target, b"1").unwrap();
        assert_eq!(fs::read(target).unwrap(), b"1");
    }
    let wide = dir.path().join("ü".repeat(127));
    write(&wide, b"2").unwrap();
    assert_eq!(names(dir.path()).len(), 6);
}

#[cfg(unix)]
#[test]
fn links_lead_on_and_modes_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("real"), b"old").unwrap();
    fs::set_permissions(at("real"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real", at("link")).unwrap();
    symlink("link", at("link to link")).unwrap();
    write(&at("link to link"), b"new").unwrap();
    assert!(at("link").is_symlink() && at("link to link").is_symlink());
    assert_eq!(fs::read(at("real")).unwrap(), b"new");
    assert_eq!(
        at("real").metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    symlink("not yet", at("dangling")).unwrap();
    write(&at("dangling"), b"made").unwrap();
    assert_eq!(fs::read(at("not yet")).unwrap(), b"made");
    symlink("circle", at("circle")).unwrap();
    assert!(write(&at("circle"), b"").is_err());
}

/// A pipe stands for every device: none can be made here without rights.
#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_stays() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    write(&pipe, b"through").unwrap();
    assert_eq!(reader.join().unwrap(), b"through");
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    write(Path::new("/dev/null"), b"gone").unwrap();
    assert!(
        Path::new("/dev/null")
            .metadata()
            .unwrap()
            .file_type()
            .is_char_device()
    );
}
