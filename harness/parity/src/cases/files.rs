//! Files, directories and links, as seen through std and C's calls.

use super::Scratch;
use crate::Log;
use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, FallocateFlags, Flock, FlockArg, OFlag, RenameFlags, open, openat, renameat2,
};
use nix::sys::stat::{Mode, fstat};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{Whence, ftruncate, lseek};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

cases!("files":
    what_is_written_is_read,
    a_file_that_is_not_there,
    a_new_file_must_not_be_there,
    appending_is_at_the_end_wherever_one_is,
    opening_can_cut,
    access_is_what_was_asked_for,
    a_gap_is_zeros,
    seeking_before_the_beginning_and_beyond_the_end,
    a_duplicate_shares_its_place,
    reading_at_an_offset_moves_nothing,
    the_length_can_be_set,
    several_buffers_at_once,
    a_file_without_a_name_lives_while_it_is_open,
    renaming_replaces,
    renaming_without_replacing,
    renaming_a_directory_into_itself,
    renaming_kinds_over_one_another,
    a_directory_lists_what_is_in_it,
    a_directory_that_is_not_empty_stays,
    all_of_a_directory_goes,
    directories_are_counted,
    a_directory_is_no_file,
    a_file_is_no_directory,
    a_slash_behind_a_file,
    dots_in_paths,
    paths_and_names_that_are_too_long,
    links_share_a_file,
    symbolic_links,
    links_that_go_round,
    a_link_to_nothing,
    permissions_are_kept,
    what_may_not_be_written,
    times_can_be_set,
    locks_of_whole_files,
    copying_a_file,
    temporary_names,
    paths_from_a_directory,
    devices,
    room_in_advance,
    kinds_of_descriptors,
);

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let kind = match (kind.is_dir(), kind.is_symlink()) {
            (true, _) => "/",
            (_, true) => "@",
            _ => "",
        };
        names.push(format!("{}{kind}", entry.file_name().display()));
    }
    names.sort();
    Ok(names)
}

async fn what_is_written_is_read(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    log.result("nothing", fs::read(scratch.at("a")));
    log.success("write", fs::write(scratch.at("a"), b"hello"));
    log.result("read", fs::read(scratch.at("a")));
    let mut file = File::open(scratch.at("a"))?;
    let mut buffer = [0; 3];
    for _ in 0..3 {
        log.result("some", file.read(&mut buffer));
        log.value("which", buffer);
    }
    log.value("length", file.metadata()?.len());
    Ok(())
}

async fn a_file_that_is_not_there(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.at("none");
    log.success("open", File::open(&path));
    log.success("metadata", fs::metadata(&path));
    log.success("remove", fs::remove_file(&path));
    log.success("rmdir", fs::remove_dir(&path));
    log.success("read dir", fs::read_dir(&path));
    log.success("rename", fs::rename(&path, scratch.at("b")));
    log.success("link", fs::hard_link(&path, scratch.at("b")));
    log.success("create below", File::create(path.join("b")));
    log.result("exists", fs::exists(&path));
    log.success("no path", File::open(""));
    Ok(())
}

async fn a_new_file_must_not_be_there(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    for _ in 0..2 {
        log.success("new", File::create_new(scratch.at("a")));
    }
    symlink("nowhere", scratch.at("link"))?;
    log.success("a link", File::create_new(scratch.at("link")));
    log.success("a directory", fs::create_dir(scratch.at("a")));
    Ok(())
}

async fn appending_is_at_the_end_wherever_one_is(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(true);
    let mut file = options.open(scratch.at("a"))?;
    let mut other = options.open(scratch.at("a"))?;
    file.write_all(b"one ")?;
    other.write_all(b"two ")?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(b"three")?;
    log.value("where", file.stream_position()?);
    log.result("at an offset", file.write_at(b"!", 0));
    log.result("content", fs::read_to_string(scratch.at("a")));
    Ok(())
}

async fn opening_can_cut(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"hello")?;
    drop(OpenOptions::new().write(true).open(scratch.at("a"))?);
    log.result("kept", fs::read(scratch.at("a")));
    drop(File::create(scratch.at("a"))?);
    log.result("cut", fs::read(scratch.at("a")));
    Ok(())
}

async fn access_is_what_was_asked_for(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut writer = File::create(scratch.at("a"))?;
    let mut reader = File::open(scratch.at("a"))?;
    log.result("read", writer.read(&mut [0; 4]));
    log.result("write", reader.write(b"x"));
    log.success("set length", reader.set_len(3));
    log.success("sync", reader.sync_all());
    Ok(())
}

async fn a_gap_is_zeros(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut file = File::create(scratch.at("a"))?;
    file.write_all(b"ab")?;
    file.seek(SeekFrom::Start(5))?;
    log.value("before", file.metadata()?.len());
    file.write_all(b"c")?;
    log.result("content", fs::read(scratch.at("a")));
    Ok(())
}

async fn seeking_before_the_beginning_and_beyond_the_end(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"hello")?;
    let mut file = File::open(scratch.at("a"))?;
    for to in [
        SeekFrom::End(-2),
        SeekFrom::Current(-1),
        SeekFrom::Current(-9),
        SeekFrom::End(10),
        SeekFrom::Start(3),
    ] {
        log.result("seek", file.seek(to));
    }
    file.seek(SeekFrom::End(10))?;
    log.result("read", file.read(&mut [0; 4]));
    log.result(
        "data",
        lseek(&file, 1, Whence::SeekData).map_err(io::Error::from),
    );
    log.result(
        "hole",
        lseek(&file, 1, Whence::SeekHole).map_err(io::Error::from),
    );
    log.result(
        "no hole",
        lseek(&file, 9, Whence::SeekHole).map_err(io::Error::from),
    );
    Ok(())
}

async fn a_duplicate_shares_its_place(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"hello")?;
    let mut file = File::open(scratch.at("a"))?;
    let mut duplicate = file.try_clone()?;
    file.read_exact(&mut [0; 2])?;
    log.value("where", duplicate.stream_position()?);
    drop(file);
    let mut rest = String::new();
    duplicate.read_to_string(&mut rest)?;
    log.value("rest", rest);
    Ok(())
}

async fn reading_at_an_offset_moves_nothing(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(scratch.at("a"))?;
    file.write_all(b"hello")?;
    let mut buffer = [0; 8];
    log.result(
        "pread",
        pread(&file, &mut buffer, 3).map_err(io::Error::from),
    );
    log.value("read", buffer);
    log.result(
        "beyond",
        pread(&file, &mut buffer, 9).map_err(io::Error::from),
    );
    log.result(
        "before",
        pread(&file, &mut buffer, -1).map_err(io::Error::from),
    );
    log.result("pwrite", pwrite(&file, b"XY", 1).map_err(io::Error::from));
    log.value("where", file.stream_position()?);
    log.result("content", fs::read_to_string(scratch.at("a")));
    Ok(())
}

async fn the_length_can_be_set(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut file = File::create(scratch.at("a"))?;
    file.write_all(b"hello")?;
    file.set_len(2)?;
    log.result("shorter", fs::read(scratch.at("a")));
    file.set_len(4)?;
    log.result("longer", fs::read(scratch.at("a")));
    file.write_all(b"!")?;
    log.result("where it was", fs::read(scratch.at("a")));
    log.result("negative", ftruncate(&file, -1).map_err(io::Error::from));
    Ok(())
}

async fn several_buffers_at_once(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let mut file = File::create(scratch.at("a"))?;
    let parts = [
        io::IoSlice::new(b"one "),
        io::IoSlice::new(b""),
        io::IoSlice::new(b"two"),
    ];
    log.result("write", file.write_vectored(&parts));
    let mut file = File::open(scratch.at("a"))?;
    let (mut first, mut second) = ([0; 2], [0; 9]);
    let mut parts = [
        io::IoSliceMut::new(&mut first),
        io::IoSliceMut::new(&mut second),
    ];
    log.result("read", file.read_vectored(&mut parts));
    log.value("first", first);
    log.value("second", second);
    Ok(())
}

async fn a_file_without_a_name_lives_while_it_is_open(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"hello")?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(scratch.at("a"))?;
    fs::remove_file(scratch.at("a"))?;
    log.result("names", names(&scratch.0));
    log.value("links", file.metadata()?.nlink());
    file.write_all(b"HE")?;
    fs::write(scratch.at("a"), b"another")?;
    let mut rest = String::new();
    file.rewind()?;
    file.read_to_string(&mut rest)?;
    log.value("content", rest);
    Ok(())
}

async fn renaming_replaces(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"new")?;
    fs::write(scratch.at("b"), b"old")?;
    let mut old = File::open(scratch.at("b"))?;
    log.success("rename", fs::rename(scratch.at("a"), scratch.at("b")));
    log.result("names", names(&scratch.0));
    log.result("content", fs::read_to_string(scratch.at("b")));
    let mut content = String::new();
    old.read_to_string(&mut content)?;
    log.value("what was open", content);
    log.success("to itself", fs::rename(scratch.at("b"), scratch.at("b")));
    fs::hard_link(scratch.at("b"), scratch.at("c"))?;
    log.success(
        "to another name of it",
        fs::rename(scratch.at("b"), scratch.at("c")),
    );
    log.result("names", names(&scratch.0));
    Ok(())
}

async fn renaming_without_replacing(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"a")?;
    fs::write(scratch.at("b"), b"b")?;
    let rename = |from: &str, to: &str| {
        let (from, to) = (scratch.at(from), scratch.at(to));
        renameat2(
            AT_FDCWD,
            &from,
            AT_FDCWD,
            &to,
            RenameFlags::RENAME_NOREPLACE,
        )
        .map_err(io::Error::from)
    };
    log.result("there", rename("a", "b"));
    log.result("not there", rename("a", "c"));
    log.result("names", names(&scratch.0));
    Ok(())
}

async fn renaming_a_directory_into_itself(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.at("a/b"))?;
    log.success(
        "into itself",
        fs::rename(scratch.at("a"), scratch.at("a/b/c")),
    );
    log.success("out", fs::rename(scratch.at("a/b"), scratch.at("c")));
    fs::write(scratch.at("c/file"), b"")?;
    log.success(
        "over a full one",
        fs::rename(scratch.at("a"), scratch.at("c")),
    );
    log.success(
        "over an empty one",
        fs::rename(scratch.at("c"), scratch.at("a")),
    );
    log.result("names", names(&scratch.0));
    log.result("in it", names(&scratch.at("a")));
    log.result("above it", names(&scratch.at("a/..")));
    Ok(())
}

async fn renaming_kinds_over_one_another(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir(scratch.at("directory"))?;
    fs::write(scratch.at("file"), b"")?;
    symlink("file", scratch.at("link"))?;
    let rename = |from: &str, to: &str| fs::rename(scratch.at(from), scratch.at(to));
    log.success("file over directory", rename("file", "directory"));
    log.success("directory over file", rename("directory", "file"));
    log.success("file to a name with a slash", rename("file", "other/"));
    log.success(
        "directory to a name with a slash",
        rename("directory", "other/"),
    );
    log.success("link over file", rename("link", "file"));
    log.result("names", names(&scratch.0));
    Ok(())
}

async fn a_directory_lists_what_is_in_it(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir(scratch.at("directory"))?;
    fs::write(scratch.at("file"), b"")?;
    symlink("file", scratch.at("link"))?;
    log.result("names", names(&scratch.0));
    log.result("empty", names(&scratch.at("directory")));
    let mut listed = fs::read_dir(&scratch.0)?;
    fs::remove_file(scratch.at("file"))?;
    log.value(
        "while it changes",
        listed.by_ref().all(|entry| entry.is_ok()),
    );
    Ok(())
}

async fn a_directory_that_is_not_empty_stays(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.at("a/b"))?;
    log.success("full", fs::remove_dir(scratch.at("a")));
    log.success("empty", fs::remove_dir(scratch.at("a/b")));
    log.success("as a file", fs::remove_file(scratch.at("a")));
    log.success("here", fs::remove_dir(scratch.at("a/.")));
    log.success("above", fs::remove_dir(scratch.at("a/..")));
    fs::write(scratch.at("file"), b"")?;
    log.success("a file", fs::remove_dir(scratch.at("file")));
    Ok(())
}

async fn all_of_a_directory_goes(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.at("a/b/c"))?;
    fs::write(scratch.at("a/b/file"), b"x")?;
    fs::write(scratch.at("kept"), b"x")?;
    symlink(scratch.at("kept"), scratch.at("a/link"))?;
    log.success("remove", fs::remove_dir_all(scratch.at("a")));
    log.result("names", names(&scratch.0));
    Ok(())
}

async fn directories_are_counted(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let links = || fs::metadata(&scratch.0).map(|it| it.nlink());
    log.result("none", links());
    fs::create_dir_all(scratch.at("a/b"))?;
    fs::create_dir(scratch.at("c"))?;
    log.result("two", links());
    fs::rename(scratch.at("a/b"), scratch.at("b"))?;
    log.result("three", links());
    fs::remove_dir(scratch.at("c"))?;
    log.result("two again", links());
    Ok(())
}

async fn a_directory_is_no_file(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    log.success("write", OpenOptions::new().write(true).open(&scratch.0));
    log.success("create", File::create(&scratch.0));
    let mut directory = File::open(&scratch.0)?;
    log.result("read", directory.read(&mut [0; 4]));
    log.success("sync", directory.sync_all());
    log.value("kind", directory.metadata()?.is_dir());
    log.success(
        "a link to it",
        fs::hard_link(&scratch.0, scratch.at("link")),
    );
    Ok(())
}

async fn a_file_is_no_directory(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"")?;
    log.success("below", File::open(scratch.at("a/b")));
    log.success("above", File::open(scratch.at("a/../a")));
    log.success("list", fs::read_dir(scratch.at("a")));
    log.success("make below", fs::create_dir(scratch.at("a/b")));
    let flags = OFlag::O_DIRECTORY;
    let opened = open(&scratch.at("a"), flags, Mode::empty());
    log.success("as a directory", opened.map_err(io::Error::from));
    Ok(())
}

async fn a_slash_behind_a_file(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"")?;
    fs::create_dir(scratch.at("d"))?;
    log.success("open", File::open(scratch.at("a/")));
    log.success("create", File::create(scratch.at("b/")));
    log.success("metadata", fs::metadata(scratch.at("a/")));
    log.success("remove", fs::remove_file(scratch.at("a/")));
    log.success("make", fs::create_dir(scratch.at("e/")));
    log.success("of a directory", fs::metadata(scratch.at("d/")));
    log.success("rmdir", fs::remove_dir(scratch.at("d/")));
    Ok(())
}

async fn dots_in_paths(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.at("a/b"))?;
    fs::write(scratch.at("a/file"), b"here")?;
    for path in [
        "a/./file",
        "a/b/../file",
        "a//b/.././file",
        "./a/b/../../a/file",
    ] {
        log.result(path, fs::read_to_string(scratch.at(path)));
    }
    log.success("none", fs::read(scratch.at("none/../a/file")));
    log.success("above the root", fs::metadata("/../../tmp"));
    let real = fs::canonicalize(scratch.at("a/b/../."))?;
    log.value("real", real == fs::canonicalize(&scratch.0)?.join("a"));
    Ok(())
}

async fn paths_and_names_that_are_too_long(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    log.success("name", File::create(scratch.at("x".repeat(255))));
    log.success("longer name", File::create(scratch.at("x".repeat(256))));
    log.success("path", File::open(scratch.at("./".repeat(2100))));
    Ok(())
}

async fn links_share_a_file(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"one")?;
    log.success("link", fs::hard_link(scratch.at("a"), scratch.at("b")));
    log.success("again", fs::hard_link(scratch.at("a"), scratch.at("b")));
    log.value("links", fs::metadata(scratch.at("a"))?.nlink());
    fs::write(scratch.at("b"), b"two")?;
    log.result("content", fs::read_to_string(scratch.at("a")));
    fs::remove_file(scratch.at("a"))?;
    log.value("links", fs::metadata(scratch.at("b"))?.nlink());
    Ok(())
}

async fn symbolic_links(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir(scratch.at("directory"))?;
    fs::write(scratch.at("directory/file"), b"here")?;
    symlink("directory", scratch.at("link"))?;
    symlink("../link/file", scratch.at("directory/twice"))?;
    log.result("through one", fs::read_to_string(scratch.at("link/file")));
    log.result("through two", fs::read_to_string(scratch.at("link/twice")));
    log.result("target", fs::read_link(scratch.at("link")));
    log.success("of a directory", fs::read_link(scratch.at("directory")));
    log.value(
        "itself",
        fs::symlink_metadata(scratch.at("link"))?.is_symlink(),
    );
    log.value("length", fs::symlink_metadata(scratch.at("link"))?.len());
    log.value(
        "what it leads to",
        fs::metadata(scratch.at("link"))?.is_dir(),
    );
    let flags = OFlag::O_NOFOLLOW;
    let opened = open(&scratch.at("link"), flags, Mode::empty());
    log.success("not followed", opened.map_err(io::Error::from));
    log.success("as a directory", fs::remove_dir(scratch.at("link")));
    log.success("remove", fs::remove_file(scratch.at("link")));
    log.result("names", names(&scratch.0));
    Ok(())
}

async fn links_that_go_round(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    symlink("b", scratch.at("a"))?;
    symlink("a", scratch.at("b"))?;
    log.success("open", File::open(scratch.at("a")));
    log.success("through it", File::open(scratch.at("a/file")));
    log.success("itself", fs::symlink_metadata(scratch.at("a")));
    Ok(())
}

async fn a_link_to_nothing(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    symlink("target", scratch.at("link"))?;
    log.success("open", File::open(scratch.at("link")));
    log.result("exists", fs::exists(scratch.at("link")));
    log.success("make a directory", fs::create_dir(scratch.at("link")));
    log.success("create", fs::write(scratch.at("link"), b"through"));
    log.result("names", names(&scratch.0));
    log.success("no target", symlink("", scratch.at("other")));
    Ok(())
}

async fn permissions_are_kept(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"")?;
    let mode = |name: &str| fs::metadata(scratch.at(name)).map(|it| it.permissions().mode());
    fs::set_permissions(scratch.at("a"), Permissions::from_mode(0o640))?;
    log.result("mode", mode("a"));
    File::open(scratch.at("a"))?.set_permissions(Permissions::from_mode(0o600))?;
    log.result("through a descriptor", mode("a"));
    fs::create_dir(scratch.at("d"))?;
    fs::set_permissions(scratch.at("d"), Permissions::from_mode(0o1700))?;
    log.result("of a directory", mode("d"));
    Ok(())
}

async fn what_may_not_be_written(log: Log) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        // Root is not denied anything.
        for (what, answer) in [
            ("write", Some(ErrorKind::PermissionDenied)),
            ("remove", None),
        ] {
            log.value(what, answer);
        }
        return Ok(());
    }
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), b"")?;
    fs::set_permissions(scratch.at("a"), Permissions::from_mode(0o400))?;
    let written = OpenOptions::new().write(true).open(scratch.at("a"));
    log.value("write", written.map_err(|error| error.kind()).err());
    let removed = fs::remove_file(scratch.at("a"));
    log.value("remove", removed.map_err(|error| error.kind()).err());
    Ok(())
}

async fn times_can_be_set(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let file = File::create(scratch.at("a"))?;
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000, 500);
    file.set_modified(time)?;
    log.value("modified", file.metadata()?.modified()? == time);
    log.value("not accessed", file.metadata()?.accessed()? == time);
    Ok(())
}

async fn locks_of_whole_files(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let open = || File::create(scratch.at("lock"));
    let lock = |file: File, how| match Flock::lock(file, how) {
        Ok(lock) => Ok(lock),
        Err((_, error)) => Err(io::Error::from(error)),
    };
    let first = lock(open()?, FlockArg::LockSharedNonblock)?;
    log.success("shared", lock(open()?, FlockArg::LockSharedNonblock));
    log.success("exclusive", lock(open()?, FlockArg::LockExclusiveNonblock));
    drop(first);
    let held = lock(open()?, FlockArg::LockExclusiveNonblock)?;
    log.success("shared", lock(open()?, FlockArg::LockSharedNonblock));
    let waits = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(held);
    });
    log.success("waits", lock(open()?, FlockArg::LockExclusive));
    waits.join().expect("it does not panic");
    Ok(())
}

async fn copying_a_file(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("a"), vec![7; 100_000])?;
    fs::set_permissions(scratch.at("a"), Permissions::from_mode(0o640))?;
    log.result("copy", fs::copy(scratch.at("a"), scratch.at("b")));
    let copy = fs::metadata(scratch.at("b"))?;
    log.value("length", copy.len());
    log.value("mode", copy.permissions().mode());
    let mut source = File::open(scratch.at("a"))?;
    source.seek(SeekFrom::Start(99_998))?;
    let mut target = OpenOptions::new().append(true).open(scratch.at("b"))?;
    log.result("io::copy", io::copy(&mut source, &mut target));
    log.result("nothing", fs::copy(scratch.at("none"), scratch.at("c")));
    Ok(())
}

async fn temporary_names(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let (fd, path) = nix::unistd::mkstemp(&scratch.at("a-XXXXXX"))?;
    log.value("length", path.file_name().map(OsStr::len));
    log.value("there", fs::exists(&path)?);
    log.value("mode", File::from(fd).metadata()?.permissions().mode());
    let wrong = nix::unistd::mkstemp(&scratch.at("a-XXX"));
    log.value("wrong", wrong.err());
    Ok(())
}

async fn paths_from_a_directory(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir(scratch.at("d"))?;
    let directory = File::open(scratch.at("d"))?;
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY;
    let made = openat(&directory, "file", flags, Mode::S_IRWXU);
    log.success("create", made.map_err(io::Error::from));
    fs::rename(scratch.at("d"), scratch.at("e"))?;
    let found = openat(&directory, "file", OFlag::O_RDONLY, Mode::empty());
    log.success("after a rename", found.map_err(io::Error::from));
    let above = openat(&directory, "../e/file", OFlag::O_RDONLY, Mode::empty());
    log.success("above", above.map_err(io::Error::from));
    let file = File::open(scratch.at("e/file"))?;
    let below = openat(&file, "x", OFlag::O_RDONLY, Mode::empty());
    log.value("from a file", below.err());
    Ok(())
}

async fn devices(log: Log) -> io::Result<()> {
    let mut buffer = [1; 4];
    log.result("null", File::open("/dev/null")?.read(&mut buffer));
    log.result("zero", File::open("/dev/zero")?.read(&mut buffer));
    log.value("zeros", buffer);
    log.result("urandom", File::open("/dev/urandom")?.read(&mut buffer));
    let write = |path: &str| OpenOptions::new().write(true).open(path)?.write(b"x");
    log.result("to null", write("/dev/null"));
    log.result("to full", write("/dev/full"));
    Ok(())
}

async fn room_in_advance(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let file = File::create(scratch.at("a"))?;
    let allocate =
        |offset, length| nix::fcntl::fallocate(&file, FallocateFlags::empty(), offset, length);
    log.value("grow", allocate(0, 100));
    log.value("length", file.metadata()?.len());
    log.value("less", allocate(0, 10));
    log.value("nothing", allocate(0, 0));
    log.value("length", file.metadata()?.len());
    Ok(())
}

async fn kinds_of_descriptors(log: Log) -> io::Result<()> {
    let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    let (pipe, _writer) = nix::unistd::pipe()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let kind = |stat: nix::Result<nix::sys::stat::FileStat>| {
        stat.map(|stat| stat.st_mode & 0o170_000)
            .map_err(io::Error::from)
    };
    log.result("unix socket", kind(fstat(&socket)));
    log.result("pipe", kind(fstat(&pipe)));
    log.result("listener", kind(fstat(&listener)));
    log.value("seek a pipe", lseek(&pipe, 0, Whence::SeekCur).err());
    log.value(
        "read a socket at an offset",
        pread(&socket, &mut [0], 0).err(),
    );
    log.value("known", Errno::ESPIPE.desc());
    Ok(())
}
