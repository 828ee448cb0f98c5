//! Static memory of which each simulated process has its own: the process-wide handler tables of
//! signal libraries, rayon's pool, the global logger and subscriber, the arguments kept by std,
//! `environ`, and the statics of any crate that is named.
//!
//! What `tokio::signal` or `signal-hook` remember from one process would silence them in the next,
//! and would wake the wrong one; the threads of rayon's pool end with the process that started
//! them. So these statics are swapped whenever the running process changes, as thread-locals are.
//! That is sound only where no other thread can access them: in a process that runs for isolation,
//! whose only running thread is the world's. Elsewhere nothing is swapped, and signal handlers of
//! libraries are refused.
//!
//! They are found by their names in the executable's symbol table.

use super::{nursery, real};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::ffi::c_char;
use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// The owners of statics that are always swapped: libraries that keep signal handlers,
const OF_HANDLERS: [&str; 4] = [
    "tokio::signal::",
    "signal_hook_registry::",
    "signal_hook::",
    "ctrlc::",
];

/// and others.
const OTHERS: [&str; 4] = [
    "std::sys::args::",
    "rayon_core::registry::",
    "tracing_core::dispatcher::",
    "log::",
];

/// Libc's name for the variable that holds the environment.
const ENVIRON: &str = "environ";

/// What is swapped in this process; none if nothing is.
static PLACES: RwLock<Option<Places>> = RwLock::new(None);

struct Places {
    /// All writable statics of the executable, by name.
    all: Vec<(String, Range<usize>)>,
    /// Those that are swapped. Processes that have already begun know the first of them.
    ranges: Vec<Range<usize>>,
    /// Their content before first use.
    pristine: Vec<u8>,
    /// Where in these bytes std's arguments are: the count, and the pointer.
    arguments: [Option<usize>; 2],
    environment: Option<usize>,
}

/// What a process is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// How many arguments there are, and where they are.
    pub(crate) arguments: (usize, *const *const c_char),
    /// What `environ` points to.
    pub(crate) environment: *const *const c_char,
}

/// The content of these places for one process, while another one runs. Empty if nothing is
/// swapped.
#[derive(Default)]
pub(crate) struct Statics(Vec<u8>);

impl Statics {
    /// Finds them. To be called before anything else has happened.
    ///
    /// # Safety
    ///
    /// From now on, only one thread of this process may run, or none that uses one of these
    /// libraries.
    pub(crate) unsafe fn separate() {
        let Some(all) = find() else {
            return;
        };
        let is_swapped = |name: &str| {
            let mut owners = OF_HANDLERS.iter().chain(&OTHERS);
            owners.any(|owner| name.starts_with(owner))
        };
        let found = all.iter().filter(|(name, _)| is_swapped(name));
        let mut found: Vec<_> = found.cloned().collect();
        // SAFETY: the name is a C string; dlsym only looks it up.
        let environ = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"environ".as_ptr()) } as usize;
        if environ != 0 {
            found.push((ENVIRON.to_owned(), environ..environ + size_of::<usize>()));
        }
        found.sort_by_key(|(_, range)| range.start);
        found.dedup_by_key(|(_, range)| range.start);
        // SAFETY: according to the symbols, this is initialised memory of the executable and of
        // libc.
        let read = |range: &Range<usize>| unsafe {
            std::slice::from_raw_parts(range.start as *const u8, range.len())
        };
        let mut places = Places {
            all,
            ranges: Vec::new(),
            pristine: Vec::new(),
            arguments: [None; 2],
            environment: None,
        };
        for (name, range) in found {
            let here = Some(places.pristine.len());
            // Compilers append a number to parts of a variable.
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
        *PLACES.write().unwrap_or_else(PoisonError::into_inner) = Some(places);
    }

    /// Gives each process that begins from now on its own copy of the statics in this path, with
    /// their present content. Returns how many there are; 0 if nothing is swapped in this process.
    pub(crate) fn separate_those_of(path: &str) -> usize {
        let mut places = PLACES.write().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = &mut *places else {
            return 0;
        };
        let is_in = |name: &str| {
            let rest = name.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let mut found: Vec<_> = places.all.iter().filter(|(name, _)| is_in(name)).collect();
        found.sort_by_key(|(_, range)| range.start);
        found.dedup_by_key(|(_, range)| range.start);
        for (_, range) in &found {
            if !places.ranges.contains(range) {
                // SAFETY: as in `separate`.
                let now =
                    unsafe { std::slice::from_raw_parts(range.start as *const u8, range.len()) };
                places.pristine.extend(now);
                places.ranges.push(range.clone());
            }
        }
        found.len()
    }

    /// Whether each process has its own.
    pub(crate) fn are_separate() -> bool {
        places().is_some()
    }

    /// Whether a handler with this name keeps its state there.
    pub(crate) fn is_of_shared(name: &str) -> bool {
        OF_HANDLERS.iter().any(|owner| name.contains(owner))
    }

    /// The statics of a new process.
    pub(crate) fn new(given: Given) -> Self {
        let places = places();
        let Some(places) = &*places else {
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

    /// Points `environ` somewhere else, for the running process.
    pub(crate) fn set_environment(environment: *const *const c_char) {
        let places = places();
        let Some(places) = &*places else {
            return;
        };
        let mut before = 0;
        let range = places.ranges.iter().find(|range| {
            let is_it = Some(before) == places.environment;
            before += range.len();
            is_it
        });
        if let Some(range) = range {
            // SAFETY: this is `environ`, and nothing else accesses it; see `separate`.
            unsafe { (range.start as *mut *const *const c_char).write(environment) };
        }
    }

    /// Swaps the content kept here with that of the places.
    pub(crate) fn exchange(&mut self) {
        let places = places();
        let Some(places) = &*places else {
            return;
        };
        let mut rest = &mut self.0[..];
        for range in &places.ranges {
            if rest.is_empty() {
                break;
            }
            let (here, others) = rest.split_at_mut(range.len());
            // SAFETY: static memory of the executable that nothing else accesses; see `separate`.
            unsafe {
                std::ptr::swap_nonoverlapping(here.as_mut_ptr(), range.start as *mut u8, here.len())
            };
            rest = others;
        }
    }
}

/// The section for constants that hold addresses.
const RELOCATED: &str = ".data.rel.ro";

fn places() -> RwLockReadGuard<'static, Option<Places>> {
    PLACES.read().unwrap_or_else(PoisonError::into_inner)
}

/// All writable statics of the executable, by name; none if it has no symbol table.
fn find() -> Option<Vec<(String, Range<usize>)>> {
    let base = nursery::base()?;
    let executable = real::Mapped::executable()?;
    let file = ElfFile64::<object::Endianness>::parse(executable.bytes()).ok()?;
    // An executable with a fixed load address has absolute symbols.
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
        let start = base + symbol.address() as usize;
        found.push((name, start..start + symbol.size() as usize));
    }
    has_symbols.then_some(found)
}

fn is_writable<'d>(file: &ElfFile64<'d>, symbol: &impl ObjectSymbol<'d>) -> bool {
    let section = symbol.section_index();
    let section = section.and_then(|index| file.section_by_index(index).ok());
    section.is_some_and(|section| {
        let kind = section.kind();
        let is_data = matches!(kind, SectionKind::Data | SectionKind::UninitializedData);
        // Constants that hold addresses are read-only once the program has begun.
        let is_fixed = section.name().is_ok_and(|name| name.starts_with(RELOCATED));
        is_data && !is_fixed
    })
}
