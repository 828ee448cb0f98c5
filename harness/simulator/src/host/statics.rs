//! Static memory that each simulated process has for itself: the tables of handlers that libraries
//! for signals keep for all of a process, the arguments that std keeps, and `environ`.
//!
//! What `tokio::signal` or `signal-hook` remember of one process would make them silent in the
//! next, and would wake the wrong one. So they are exchanged at every change of the process that
//! runs, as thread-locals are. That is sound only where no other thread can look at them meanwhile:
//! in a process that runs for isolation, whose only running thread is the world's. Elsewhere
//! nothing is exchanged, and such handlers are refused.
//!
//! They are found by their names in the executable's table of symbols.

use super::{nursery, real};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::ffi::c_char;
use std::ops::Range;
use std::sync::OnceLock;

/// Whose statics they are.
const OWNERS: [&str; 5] = [
    "tokio::signal::",
    "signal_hook_registry::",
    "signal_hook::",
    "ctrlc::",
    "std::sys::args::",
];

/// What libc calls the variable in which the environment is.
const ENVIRON: &str = "environ";

/// What is exchanged in this process; unset where nothing is.
static PLACES: OnceLock<Places> = OnceLock::new();

struct Places {
    ranges: Vec<Range<usize>>,
    /// What is there before anybody has used it.
    pristine: Vec<u8>,
    /// Where among these bytes std's arguments are: how many, and where.
    arguments: [Option<usize>; 2],
    environment: Option<usize>,
}

/// What a process is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// How many arguments there are, and where.
    pub(crate) arguments: (usize, *const *const c_char),
    /// What `environ` points to.
    pub(crate) environment: *const *const c_char,
}

/// What is in these places for one process, while another one runs. Empty where nothing is
/// exchanged.
#[derive(Default)]
pub(crate) struct Statics(Vec<u8>);

impl Statics {
    /// Finds them. To be called where nothing has happened yet.
    ///
    /// # Safety
    ///
    /// From now on only one thread of this process may run, or none that uses one of these
    /// libraries.
    pub(crate) unsafe fn separate() {
        let Some(mut found) = find() else {
            return;
        };
        // SAFETY: the name is a C string; dlsym only looks it up.
        let environ = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"environ".as_ptr()) } as usize;
        if environ != 0 {
            found.push((ENVIRON.to_owned(), environ..environ + size_of::<usize>()));
        }
        found.sort_by_key(|(_, range)| range.start);
        found.dedup_by_key(|(_, range)| range.start);
        // SAFETY: the symbols say that this is initialised memory of the executable and of libc.
        let read = |range: &Range<usize>| unsafe {
            std::slice::from_raw_parts(range.start as *const u8, range.len())
        };
        let mut places = Places {
            ranges: Vec::new(),
            pristine: Vec::new(),
            arguments: [None; 2],
            environment: None,
        };
        for (name, range) in found {
            let here = Some(places.pristine.len());
            // Compilers give parts of a variable a number.
            let name = name.split('.').next().unwrap_or_default();
            match name.rsplit("::").next() {
                Some(ENVIRON) => places.environment = here,
                Some("ARGC") => places.arguments[0] = here,
                Some("ARGV") => places.arguments[1] = here,
                _ => {}
            }
            places.pristine.extend(read(&range));
            places.ranges.push(range);
        }
        let _ = PLACES.set(places);
    }

    /// Whether each process has its own.
    pub(crate) fn are_separate() -> bool {
        PLACES.get().is_some()
    }

    /// Whether a handler of this name keeps what it knows there.
    pub(crate) fn is_of_shared(name: &str) -> bool {
        OWNERS.iter().any(|owner| name.contains(owner))
    }

    /// Those of a process that begins.
    pub(crate) fn new(given: Given) -> Self {
        let Some(places) = PLACES.get() else {
            return Self::default();
        };
        let mut here = places.pristine.clone();
        let (count, arguments) = given.arguments;
        let [for_count, for_arguments] = places.arguments;
        for (place, word) in [
            (for_count, count),
            (for_arguments, arguments as usize),
            (places.environment, given.environment as usize),
        ] {
            if let Some(place) = place {
                here[place..place + size_of::<usize>()].copy_from_slice(&word.to_ne_bytes());
            }
        }
        Self(here)
    }

    /// Lets `environ` point somewhere else, for the process that runs.
    pub(crate) fn set_environment(environment: *const *const c_char) {
        let Some(places) = PLACES.get() else {
            return;
        };
        let mut before = 0;
        let range = places.ranges.iter().find(|range| {
            let is_it = Some(before) == places.environment;
            before += range.len();
            is_it
        });
        if let Some(range) = range {
            // SAFETY: this is `environ`, and nobody else looks at it; see `separate`.
            unsafe { (range.start as *mut *const *const c_char).write(environment) };
        }
    }

    /// Puts what is here there, and keeps here what was there.
    pub(crate) fn exchange(&mut self) {
        let (Some(places), false) = (PLACES.get(), self.0.is_empty()) else {
            return;
        };
        let mut rest = &mut self.0[..];
        for range in &places.ranges {
            let (here, others) = rest.split_at_mut(range.len());
            // SAFETY: static memory of the executable that nobody else looks at; see `separate`.
            unsafe {
                std::ptr::swap_nonoverlapping(here.as_mut_ptr(), range.start as *mut u8, here.len())
            };
            rest = others;
        }
    }
}

/// Where they are; none if the executable has no table of symbols.
fn find() -> Option<Vec<(String, Range<usize>)>> {
    let base = nursery::base()?;
    let executable = real::Mapped::executable()?;
    let file = ElfFile64::<object::Endianness>::parse(executable.bytes()).ok()?;
    // An executable that is always at the same address has absolute symbols.
    let is_absolute = file.elf_header().e_type(file.endian()) == object::elf::ET_EXEC;
    let base = if is_absolute { 0 } else { base };
    let mut has_symbols = false;
    let mut found = Vec::new();
    for symbol in file.symbols() {
        has_symbols = true;
        if symbol.kind() != SymbolKind::Data || symbol.size() == 0 || !is_writable(&file, &symbol) {
            continue;
        }
        let name = symbol.name_bytes().unwrap_or_default();
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let name = format!("{:#}", rustc_demangle::demangle(name));
        if OWNERS.iter().any(|owner| name.starts_with(owner)) {
            let start = base + symbol.address() as usize;
            found.push((name, start..start + symbol.size() as usize));
        }
    }
    has_symbols.then_some(found)
}

fn is_writable<'d>(file: &ElfFile64<'d>, symbol: &impl ObjectSymbol<'d>) -> bool {
    let section = symbol.section_index();
    let section = section.and_then(|index| file.section_by_index(index).ok());
    section.is_some_and(|section| {
        matches!(
            section.kind(),
            SectionKind::Data | SectionKind::UninitializedData
        )
    })
}
