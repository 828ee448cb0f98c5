//! Which file of a crate imports what from which other: read from the syntax, following re-exports
//! to the file in which a name is defined.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// One file uses a name from another.
pub(crate) struct Arrow {
    /// The file that imports, as a path below `src`.
    pub from: String,
    /// The file that defines.
    pub to: String,
    /// The first name found.
    pub name: String,
}

/// The files of a crate.
pub(crate) struct Crate {
    /// As Rust spells it: `squall_chat`.
    pub name: String,
    /// By module path: empty for the root, `["a", "b"]` for `crate::a::b`.
    modules: BTreeMap<Segments, Module>,
}

type Segments = Vec<String>;

#[derive(Default)]
struct Module {
    file: String,
    /// The names of its items that are not modules.
    items: BTreeSet<String>,
    /// Names that it re-exports and that others define: the name and the full path.
    renamed: BTreeMap<String, Segments>,
    /// Modules all of whose names it re-exports.
    globs: Vec<Segments>,
    /// Every path that it uses, as written there.
    paths: Vec<Segments>,
}

impl Crate {
    /// Reads the crate in this folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let source = folder.join("src");
        let manifest =
            std::fs::read_to_string(folder.join("Cargo.toml")).expect("a crate has a manifest");
        let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
        let name = manifest["package"]["name"]
            .as_str()
            .expect("a package has a name")
            .replace('-', "_");
        let mut texts = Vec::new();
        collect(&source, &source, &mut texts);
        let texts = texts.iter().map(|(file, text)| (&**file, &**text));
        let mut this = Crate::of_texts(&name, texts);
        let label = folder
            .file_name()
            .expect("a crate has a folder")
            .to_string_lossy()
            .into_owned();
        this.modules
            .values_mut()
            .for_each(|module| module.file = format!("{label}/src/{}", module.file));
        this
    }

    /// The crate made up of these files.
    pub(crate) fn of_texts<'t>(
        name: &str,
        texts: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in texts {
            let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let path = module_of(file);
            let mut reader = Reader {
                place: path.clone(),
                file,
                modules: &mut modules,
            };
            reader.module(&path);
            reader.items(&syntax.items);
        }
        Crate {
            name: name.to_owned(),
            modules,
        }
    }

    /// Which file imports from which. A module that only declares or re-exports another does not
    /// import it.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows: BTreeMap<(String, String), String> = BTreeMap::new();
        for (place, module) in &self.modules {
            for path in &module.paths {
                let Some(path) = absolute(place, path, self) else {
                    continue;
                };
                let Some((owner, name)) = self.resolve(&path, 0) else {
                    continue;
                };
                let to = &self.modules[&owner].file;
                if *to != module.file {
                    arrows
                        .entry((module.file.clone(), to.clone()))
                        .or_insert(name);
                }
            }
        }
        arrows
            .into_iter()
            .map(|((from, to), name)| Arrow { from, to, name })
            .collect()
    }

    /// The first segments of all paths that do not begin in this crate.
    pub(crate) fn imported_crates(&self) -> BTreeSet<String> {
        let paths = self.modules.values().flat_map(|module| &module.paths);
        paths.filter_map(|path| path.first().cloned()).collect()
    }

    /// The module whose file defines what an absolute path names, and the name.
    fn resolve(&self, path: &[String], depth: usize) -> Option<(Segments, String)> {
        let mut owner: Segments = Vec::new();
        for (at, segment) in path.iter().enumerate() {
            let mut inner = owner.clone();
            inner.push(segment.clone());
            if self.modules.contains_key(&inner) {
                owner = inner;
                continue;
            }
            let module = &self.modules[&owner];
            if module.items.contains(segment) {
                return Some((owner, segment.clone()));
            }
            if depth > 8 {
                return None;
            }
            let through = |origin: &[String]| {
                let whole: Segments = origin.iter().chain(&path[at + 1..]).cloned().collect();
                self.resolve(&whole, depth + 1)
            };
            if let Some(origin) = module.renamed.get(segment) {
                return through(origin);
            }
            return module.globs.iter().find_map(|glob| {
                let origin: Segments = glob.iter().chain([segment]).cloned().collect();
                through(&origin)
            });
        }
        let name = owner.last().cloned()?;
        Some((owner, name))
    }
}

/// All `.rs` files below a folder that are not build output, as paths below `root`, in order of
/// name.
pub(crate) fn collect(folder: &Path, root: &Path, texts: &mut Vec<(String, String)>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.ends_with("target") {
            continue;
        } else if path.is_dir() {
            collect(&path, root, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .expect("it is below")
                .to_string_lossy()
                .into_owned();
            texts.push((
                name,
                std::fs::read_to_string(&path).expect("a source can be read"),
            ));
        }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are `crate::a::b`; `lib.rs` and `main.rs` are the root.
fn module_of(file: &str) -> Segments {
    let bare = file.strip_suffix(".rs").expect("a Rust file");
    let bare = bare.strip_suffix("/mod").unwrap_or(bare);
    match bare {
        "lib" | "main" => Vec::new(),
        _ => bare.split('/').map(str::to_owned).collect(),
    }
}

/// A path from the root of the crate; none if it leads out of it.
fn absolute(place: &[String], path: &[String], house: &Crate) -> Option<Segments> {
    let (first, rest) = path.split_first()?;
    let mut start = match &**first {
        "crate" => Vec::new(),
        "self" => place.to_vec(),
        "super" => place.split_last()?.1.to_vec(),
        child => {
            let child: Segments = place.iter().cloned().chain([child.to_owned()]).collect();
            house.modules.contains_key(&child).then_some(())?;
            child
        }
    };
    for segment in rest {
        match &**segment {
            "super" => drop(start.pop()),
            "self" => {}
            name => start.push(name.to_owned()),
        }
    }
    Some(start)
}

/// Reads a file's items into modules.
struct Reader<'r> {
    place: Segments,
    file: &'r str,
    modules: &'r mut BTreeMap<Segments, Module>,
}

impl Reader<'_> {
    fn module(&mut self, path: &[String]) -> &mut Module {
        let module = self.modules.entry(path.to_vec()).or_default();
        module.file = self.file.to_owned();
        module
    }

    fn here(&mut self) -> &mut Module {
        let place = self.place.clone();
        self.module(&place)
    }

    fn items(&mut self, items: &[Item]) {
        items.iter().for_each(|item| self.visit_item(item));
    }

    /// Notes what a `use` brings: an import, or, if it is visible elsewhere, a re-export.
    fn uses(&mut self, tree: &UseTree, before: &[String], offers: bool) {
        let extended = |name: &syn::Ident| {
            before
                .iter()
                .cloned()
                .chain([name.to_string()])
                .collect::<Segments>()
        };
        match tree {
            UseTree::Path(path) => self.uses(&path.tree, &extended(&path.ident), offers),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.uses(tree, before, offers)),
            UseTree::Name(name) if name.ident == "self" => {
                self.bring(before.to_vec(), before.last().cloned(), offers)
            }
            UseTree::Name(name) => {
                self.bring(extended(&name.ident), Some(name.ident.to_string()), offers)
            }
            UseTree::Rename(rename) => self.bring(
                extended(&rename.ident),
                Some(rename.rename.to_string()),
                offers,
            ),
            UseTree::Glob(_) => {
                let origin = self.rooted(before);
                self.here().globs.extend(origin);
                if !offers {
                    self.here().paths.push(before.to_vec());
                }
            }
        }
    }

    fn bring(&mut self, path: Segments, name: Option<String>, offers: bool) {
        if let (Some(origin), Some(name)) = (self.rooted(&path), name) {
            self.here().renamed.insert(name, origin);
        }
        if !offers {
            self.here().paths.push(path);
        }
    }

    /// A path from the root, by syntax alone: a path that starts with a name is below this module,
    /// or outside.
    fn rooted(&self, path: &[String]) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        let mut start = match &**first {
            "crate" => Vec::new(),
            "self" => self.place.clone(),
            "super" => self.place.split_last()?.1.to_vec(),
            child => self
                .place
                .iter()
                .cloned()
                .chain([child.to_owned()])
                .collect(),
        };
        for segment in rest {
            match &**segment {
                "super" => drop(start.pop()),
                name => start.push(name.to_owned()),
            }
        }
        Some(start)
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = described(item);
        if attributes.iter().any(is_of_tests) {
            return;
        }
        if let (Some(name), false) = (name, matches!(item, Item::Mod(_))) {
            self.here().items.insert(name.to_string());
        }
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content {
                    self.place.push(module.ident.to_string());
                    self.here();
                    self.items(items);
                    self.place.pop();
                }
            }
            Item::Use(import) => {
                let offers = !matches!(import.vis, syn::Visibility::Inherited);
                self.uses(&import.tree, &[], offers);
            }
            Item::Macro(macros) => {
                visit::visit_item_macro(self, macros);
            }
            other => visit::visit_item(self, other),
        }
    }

    /// An item's visibility is not an import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            self.here().paths.push(segments);
        }
        visit::visit_path(self, path);
    }
}

/// An item's attributes, and its name if it has one.
fn described(item: &Item) -> (&[Attribute], Option<&syn::Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, Some(&item.ident)),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// Whether it is `#[cfg(test)]`.
fn is_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Ident>()
            .is_ok_and(|word| word == "test")
}
