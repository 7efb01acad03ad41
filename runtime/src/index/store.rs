//! The files of an index: keys, states, and a header.
//!
//! Keys and states are appended to; the header says how much of them counts.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use mmnas_bundle::WriterLock;

use crate::engine::limits::Limits;
use crate::error::{Error, Result};
use crate::index::header::{HEADER, Header};
use crate::index::key_log::{self, MAX_KEY, Place, Record};
use crate::index::mapped::map;

/// The file that a writer holds locked.
const LOCK: &str = ".lock";

/// What was committed and what was added since.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    header: Header,
    states: Option<Mmap>,
    /// Where the state of each key lies, as committed.
    places: BTreeMap<String, Place>,
    writer: Option<Writer>,
}

/// The files of the one that may write.
#[derive(Debug)]
struct Writer {
    states: File,
    /// Bytes of the states' file that were written.
    state_bytes: u64,
    /// Records that no commit has written yet.
    pending: Vec<Record>,
    // Held as long as the index is open; the system frees it when the process ends, however it ends.
    _lock: WriterLock,
}

fn states_file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("states.{generation}"))
}

fn keys_file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("keys.{generation}"))
}

/// Opens a regular file: opening a pipe that nobody writes to would wait for ever.
fn open_regular(path: &Path) -> Result<File> {
    if !path.metadata().map_err(Error::read(path))?.is_file() {
        return Err(Error::invalid(path, "(file)", "a regular file", "a folder or device"));
    }
    File::open(path).map_err(Error::read(path))
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let wrap = mmnas_bundle::Error::io(path, "write");
    move |source| wrap(source).into()
}

impl Store {
    /// A new, empty index in the new folder `folder`, to be written to.
    pub(super) fn create(folder: &Path, header: Header) -> Result<Store> {
        let new = mmnas_bundle::NewFolder::create(folder)?;
        for file in [states_file(new.path(), header.generation), keys_file(new.path(), header.generation)] {
            File::create(&file).map_err(write_error(&file))?;
        }
        header.write(new.path())?;
        new.finish()?;
        Store::open(folder, true)
    }

    /// Opens an index, to be written to where `writes`.
    ///
    /// It is then this handle's alone until it is closed.
    pub(super) fn open(folder: &Path, writes: bool) -> Result<Store> {
        let lock = if writes { Some(lock(folder)?) } else { None };
        let mut tries = 0;
        let (header, states, places) = loop {
            let header = Header::read(folder)?;
            match load(folder, &header) {
                // Compaction may have replaced the files between header and files.
                Err(_) if tries < 3 && Header::read(folder)?.generation != header.generation => tries += 1,
                Err(error) => return Err(error),
                Ok((states, places)) => break (header, states, places),
            }
        };
        let writer = lock.map(|lock| Writer::open(folder, &header, lock)).transpose()?;
        Ok(Store { folder: folder.to_path_buf(), header, states, places, writer })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The committed keys with the places of their states.
    pub(super) fn places(&self) -> &BTreeMap<String, Place> {
        &self.places
    }

    /// The committed bytes of a state, checked.
    pub(super) fn bytes(&self, place: Place) -> Result<&[u8]> {
        let end = usize::try_from(place.offset.saturating_add(place.bytes)).unwrap_or(usize::MAX);
        let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
        let found = self.states.as_deref().and_then(|states| states.get(start..end));
        let bytes = found.ok_or_else(|| self.damaged(place, "a place in the file", format!("bytes up to {end}")))?;
        if crc32c::crc32c(bytes) != place.crc32c {
            return Err(self.damaged(place, "the state that was written", "another content"));
        }
        Ok(bytes)
    }

    /// An error for a state that is not what was written.
    pub(super) fn damaged(&self, place: Place, expected: &str, found: impl std::fmt::Display) -> Error {
        let file = states_file(&self.folder, self.header.generation);
        Error::invalid(&file, format!("state at byte {}", place.offset), expected, found)
    }

    /// Bytes of states that nothing refers to any more.
    pub(super) fn garbage(&self) -> u64 {
        let used = self.places.values().fold(0u64, |sum, place| sum.saturating_add(place.bytes));
        self.header.state_bytes.saturating_sub(used)
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        let folder = &self.folder;
        self.writer.as_mut().ok_or_else(|| {
            Error::argument("index", "an index opened for writing", format!("{} for reading", folder.display()))
        })
    }

    /// Adds or replaces a state; it counts from the next commit on.
    pub(super) fn put(&mut self, key: &str, bytes: &[u8]) -> Result<()> {
        if key.len() > MAX_KEY {
            return Err(Error::argument("key", format!("at most {MAX_KEY} bytes"), key.len()));
        }
        let file = states_file(&self.folder, self.header.generation);
        let writer = self.writer()?;
        let place = Place { offset: writer.state_bytes, bytes: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) };
        // At the same place again where the last try failed half-way.
        let written = writer.states.seek(SeekFrom::Start(place.offset)).and_then(|_| writer.states.write_all(bytes));
        written.map_err(write_error(&file))?;
        writer.state_bytes += place.bytes;
        writer.pending.push(Record::Put(key.to_owned(), place));
        Ok(())
    }

    /// Deletes a state from the next commit on.
    pub(super) fn delete(&mut self, key: &str) -> Result<()> {
        let committed = self.places.contains_key(key);
        let writer = self.writer()?;
        // A record of what is not there would do no good, and one of a key that is too long could not be read.
        if committed || writer.pending.iter().any(|record| matches!(record, Record::Put(known, _) if known == key)) {
            writer.pending.push(Record::Delete(key.to_owned()));
        }
        Ok(())
    }

    /// Makes what was added and deleted count, all of it or nothing.
    ///
    /// Gives the records that do now, each with the place that its key's state had before.
    pub(super) fn commit(&mut self) -> Result<Vec<(Record, Option<Place>)>> {
        let (states, keys) =
            (states_file(&self.folder, self.header.generation), keys_file(&self.folder, self.header.generation));
        let mut header = self.header.clone();
        let writer = self.writer()?;
        if writer.pending.is_empty() {
            return Ok(Vec::new());
        }
        writer.states.sync_data().map_err(write_error(&states))?;
        let records: Vec<u8> = writer.pending.iter().flat_map(Record::encode).collect();
        header.state_bytes = writer.state_bytes;
        append(&keys, header.key_bytes, &records).map_err(write_error(&keys))?;
        header.key_bytes += records.len() as u64;
        let file = File::open(&states).map_err(Error::read(&states))?;
        let mapped = map(&file, header.state_bytes, &states)?;
        header.write(&self.folder)?;
        // It counts now; the rest is this process's view of it.
        (self.header, self.states) = (header, mapped);
        let committed = std::mem::take(&mut self.writer()?.pending);
        let replaced = |record: Record| {
            let before = apply(&mut self.places, &record);
            (record, before)
        };
        Ok(committed.into_iter().map(replaced).collect())
    }

    /// Writes the states that count into new files and drops the old ones.
    ///
    /// What was not committed is committed.
    pub(super) fn compact(&mut self, limits: &Limits) -> Result<()> {
        self.commit()?;
        self.writer()?;
        let generation = self.header.generation.checked_add(1).ok_or_else(|| {
            Error::invalid(&self.folder.join(HEADER), "generation", "a number that another follows", u64::MAX)
        })?;
        let (states, keys) = (states_file(&self.folder, generation), keys_file(&self.folder, generation));
        // Everything that can fail comes before the header, which makes the new files count.
        let prepared = self.write_compacted(&states, &keys, limits).and_then(|(state_bytes, key_bytes)| {
            let header = Header { generation, state_bytes, key_bytes, ..self.header.clone() };
            let loaded = load(&self.folder, &header)?;
            let opened = OpenOptions::new().write(true).open(&states).map_err(write_error(&states))?;
            header.write(&self.folder)?;
            Ok((header, loaded, opened))
        });
        let (header, (mapped, places), opened) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nothing refers to them.
                let _ = (fs::remove_file(&states), fs::remove_file(&keys));
                return Err(error);
            }
        };
        let state_bytes = header.state_bytes;
        (self.header, self.states, self.places) = (header, mapped, places);
        let writer = self.writer()?;
        (writer.states, writer.state_bytes) = (opened, state_bytes);
        remove_other_generations(&self.folder, generation);
        Ok(())
    }

    fn write_compacted(&self, states: &Path, keys: &Path, limits: &Limits) -> Result<(u64, u64)> {
        let mut out = std::io::BufWriter::new(File::create(states).map_err(write_error(states))?);
        let (mut offset, mut records) = (0u64, Vec::new());
        for (key, &place) in &self.places {
            limits.check()?;
            out.write_all(self.bytes(place)?).map_err(write_error(states))?;
            records.extend(Record::Put(key.clone(), Place { offset, ..place }).encode());
            offset += place.bytes;
        }
        let out = out.into_inner().map_err(|e| write_error(states)(e.into_error()))?;
        out.sync_all().map_err(write_error(states))?;
        append(keys, 0, &records).map_err(write_error(keys))?;
        Ok((offset, records.len() as u64))
    }
}

impl Writer {
    fn open(folder: &Path, header: &Header, lock: WriterLock) -> Result<Writer> {
        let file = states_file(folder, header.generation);
        let states = OpenOptions::new().write(true).open(&file).map_err(write_error(&file))?;
        // What a process that was killed had not committed.
        states.set_len(header.state_bytes).map_err(write_error(&file))?;
        remove_other_generations(folder, header.generation);
        mmnas_bundle::remove_unfinished(folder);
        Ok(Writer { states, state_bytes: header.state_bytes, pending: Vec::new(), _lock: lock })
    }
}

fn lock(folder: &Path) -> Result<WriterLock> {
    // An index has a header; a folder without one is not to be written to, not even a lock.
    let header = folder.join(HEADER);
    header.metadata().map_err(Error::read(&header))?;
    let file = folder.join(LOCK);
    let options = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
    Ok(WriterLock::take(options.map_err(write_error(&file))?, &file, folder)?)
}

/// Puts `bytes` at `offset` of a file, cuts the rest and syncs it.
fn append(file: &Path, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(file)?;
    file.set_len(offset)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives the place that the key's state had before.
fn apply(places: &mut BTreeMap<String, Place>, record: &Record) -> Option<Place> {
    match record {
        Record::Put(key, place) => places.insert(key.clone(), *place),
        Record::Delete(key) => places.remove(key),
    }
}

/// The committed states and where each lies.
fn load(folder: &Path, header: &Header) -> Result<(Option<Mmap>, BTreeMap<String, Place>)> {
    let open = |path: &Path, expected: u64| {
        let file = open_regular(path)?;
        let found = file.metadata().map_err(Error::read(path))?.len();
        if found < expected {
            let found = format!("{found} bytes");
            return Err(Error::invalid(path, "(length)", format!("at least {expected} bytes"), found));
        }
        map(&file, expected, path)
    };
    let keys_path = keys_file(folder, header.generation);
    let keys = open(&keys_path, header.key_bytes)?;
    let states = open(&states_file(folder, header.generation), header.state_bytes)?;
    let mut places = BTreeMap::new();
    let records = key_log::decode(keys.as_deref().unwrap_or_default(), &keys_path)?;
    for record in &records {
        apply(&mut places, record);
    }
    Ok((states, places))
}

/// Removes the files of generations that no header refers to.
fn remove_other_generations(folder: &Path, generation: u64) {
    let own = [states_file(folder, generation), keys_file(folder, generation)];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = ["states.", "keys."].iter().any(|start| {
            name.strip_prefix(start).is_some_and(|end| !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit()))
        });
        if ours && !own.contains(&entry.path()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}
