//! What a process is given when it starts, and changes for itself: variables, arguments.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

/// What the programs of a machine are given at every start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) variables: BTreeMap<String, String>,
    /// Without the program's own name.
    pub(crate) arguments: Vec<String>,
    /// How often a thread of a process loses the processor though it could go on.
    pub(crate) preemptions: u32,
}

/// What is set on every machine unless somebody says otherwise. Clients of TLS libraries load all
/// certificates of the host for every connection pool, and OpenSSL its configuration; a machine has
/// none.
const VARIABLES: [(&str, &str); 3] = [
    ("OPENSSL_CONF", "/dev/null"),
    ("SSL_CERT_DIR", "/dev/null"),
    ("SSL_CERT_FILE", "/dev/null"),
];

/// The variables and arguments of one process, as C has them.
#[derive(Default)]
pub(crate) struct Environment {
    /// `NAME=value`, in the order of their setting.
    variables: Vec<CString>,
    /// What was set and is no more. Who asked for it may still look there.
    former: Vec<CString>,
    /// Where the variables are, and null.
    places: Vec<*const c_char>,
    arguments: Vec<CString>,
    argument_places: Vec<*const c_char>,
}

impl Environment {
    /// That of a program which is called `name`.
    pub(crate) fn new(name: &str, setup: &Setup) -> Self {
        let mut this = Self::default();
        let known = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut variables = BTreeMap::from(known);
        variables.extend(setup.variables.clone());
        for (name, value) in variables {
            this.set(name.as_bytes(), value.as_bytes());
        }
        let arguments = std::iter::once(name).chain(setup.arguments.iter().map(|it| &**it));
        this.arguments = arguments.map(c_string).collect();
        this.argument_places = places(&this.arguments);
        this.refresh();
        this
    }

    /// The value of a variable, if it is set.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&CStr> {
        let entry = &self.variables[self.position(name)?];
        // Behind the sign of equality, which is there.
        CStr::from_bytes_with_nul(&entry.as_bytes_with_nul()[name.len() + 1..]).ok()
    }

    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let entry = c_string([name, b"=", value].concat());
        match self.position(name) {
            Some(place) => {
                let former = std::mem::replace(&mut self.variables[place], entry);
                self.former.push(former);
            }
            None => self.variables.push(entry),
        }
        self.refresh();
    }

    pub(crate) fn unset(&mut self, name: &[u8]) {
        if let Some(place) = self.position(name) {
            self.former.push(self.variables.remove(place));
            self.refresh();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.former.append(&mut self.variables);
        self.refresh();
    }

    /// What `environ(7)` points to, until the next change.
    pub(crate) fn block(&self) -> *const *const c_char {
        self.places.as_ptr()
    }

    /// How many arguments there are, the program's name with them, and where.
    pub(crate) fn arguments(&self) -> (usize, *const *const c_char) {
        (self.arguments.len(), self.argument_places.as_ptr())
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        let is_it = |entry: &CString| {
            let value = entry.as_bytes().strip_prefix(name);
            value.is_some_and(|value| value.first() == Some(&b'='))
        };
        self.variables.iter().position(is_it)
    }

    fn refresh(&mut self) {
        self.places = places(&self.variables);
    }
}

fn places(strings: &[CString]) -> Vec<*const c_char> {
    let places = strings.iter().map(|string| string.as_ptr());
    places.chain([ptr::null()]).collect()
}

/// Whoever sets something has checked that there is no zero in it.
fn c_string(bytes: impl Into<Vec<u8>>) -> CString {
    CString::new(bytes).unwrap_or_default()
}
