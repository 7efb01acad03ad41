//! Which file of a crate imports what from which other, read from its source: re-exports are followed to the file that defines
//! the symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Item, UseTree, Visibility};

/// A module as its names from the crate's root down.
pub type Module = Vec<String>;

/// One name that a file takes from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The module that takes it.
    pub from: Module,
    /// The module whose file defines it.
    pub to: Module,
    /// The name.
    pub symbol: String,
    /// The file that takes it.
    pub file: PathBuf,
    /// The line there.
    pub line: usize,
}

/// A file of the crate.
struct Source {
    file: PathBuf,
    syntax: syn::File,
    symbols: BTreeSet<String>,
    /// What the module hands on, by the name that it hands it on as.
    reexports: BTreeMap<String, Module>,
    children: BTreeSet<String>,
}

/// The files of a crate and what they define.
pub struct Crate {
    sources: BTreeMap<Module, Source>,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("cfg") && quote_tokens(a).contains("test"))
}

fn quote_tokens(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

/// Every path of a tree of uses, with the name that it is known by.
fn flatten(tree: &UseTree, before: &mut Vec<String>, each: &mut dyn FnMut(&[String], &str, usize)) {
    let line = |ident: &syn::Ident| ident.span().start().line;
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, each);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, before, each)),
        UseTree::Name(name) if name.ident == "self" => {
            let last = before.last().cloned().unwrap_or_default();
            each(before, &last, line(&name.ident));
        }
        UseTree::Name(name) => {
            before.push(name.ident.to_string());
            each(before, &name.ident.to_string(), line(&name.ident));
            before.pop();
        }
        UseTree::Rename(rename) => {
            before.push(rename.ident.to_string());
            each(before, &rename.rename.to_string(), line(&rename.ident));
            before.pop();
        }
        // Who takes all of a module takes it from that module.
        UseTree::Glob(glob) => each(before, "*", glob.star_token.spans[0].start().line),
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(i) => i.ident.to_string(),
        Item::Enum(i) => i.ident.to_string(),
        Item::Fn(i) => i.sig.ident.to_string(),
        Item::Macro(i) => i.ident.as_ref()?.to_string(),
        Item::Static(i) => i.ident.to_string(),
        Item::Struct(i) => i.ident.to_string(),
        Item::Trait(i) => i.ident.to_string(),
        Item::Type(i) => i.ident.to_string(),
        Item::Union(i) => i.ident.to_string(),
        _ => return None,
    })
}

impl Crate {
    /// Reads the crate whose `lib.rs` lies in `folder`; modules of tests are left out.
    ///
    /// # Panics
    /// Where a file cannot be read or parsed, or a module has no file.
    pub fn read(folder: &Path) -> Crate {
        let mut found = Crate { sources: BTreeMap::new() };
        found.add(Vec::new(), &folder.join("lib.rs"));
        let modules: Vec<Module> = found.sources.keys().cloned().collect();
        for module in modules {
            let reexports = found.reexports(&module);
            if let Some(source) = found.sources.get_mut(&module) {
                source.reexports = reexports;
            }
        }
        found
    }

    fn add(&mut self, module: Module, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let is_folder = matches!(file.file_name().and_then(|n| n.to_str()), Some("lib.rs" | "mod.rs"));
        let below = if is_folder { file.parent().unwrap_or(file).to_path_buf() } else { file.with_extension("") };
        let mut children = BTreeSet::new();
        for item in &syntax.items {
            let Item::Mod(child) = item else { continue };
            if child.content.is_some() || is_test(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let places = [below.join(format!("{name}.rs")), below.join(&name).join("mod.rs")];
            let place = places.iter().find(|place| place.is_file());
            let place = place.unwrap_or_else(|| panic!("{}: no file for mod {name}", file.display()));
            let mut path = module.clone();
            path.push(name.clone());
            self.add(path, place);
            children.insert(name);
        }
        let symbols = syntax.items.iter().filter_map(name_of).collect();
        let source = Source { file: file.to_path_buf(), syntax, symbols, reexports: BTreeMap::new(), children };
        self.sources.insert(module, source);
    }

    fn reexports(&self, module: &Module) -> BTreeMap<String, Module> {
        let mut found = BTreeMap::new();
        for item in &self.sources[module].syntax.items {
            let Item::Use(item) = item else { continue };
            if matches!(item.vis, Visibility::Inherited) {
                continue;
            }
            flatten(&item.tree, &mut Vec::new(), &mut |path, known_as, _| {
                if let Some(absolute) = self.absolute(module, path) {
                    found.insert(known_as.to_owned(), absolute);
                }
            });
        }
        found
    }

    /// A path of a module from the crate's root; none where it leads into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module.as_slice(), rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let kept = module.len().checked_sub(ups)?;
                Some([&module[..kept], &path[ups..]].concat())
            }
            child if self.sources[module].children.contains(child) => Some([module.as_slice(), path].concat()),
            _ => None,
        }
    }

    /// The file that defines what an absolute path means, and the name; none where the path means a module.
    fn defined(&self, path: &[String], depth: usize) -> Option<(Module, String)> {
        let mut module = Module::new();
        let mut rest = path;
        while let [first, after @ ..] = rest {
            let mut below = module.clone();
            below.push(first.clone());
            // A function may have the name of the module that it is handed on from.
            let is_handed_on = after.is_empty() && self.sources[&module].reexports.contains_key(first);
            if is_handed_on || !self.sources.contains_key(&below) {
                break;
            }
            (module, rest) = (below, after);
        }
        let (symbol, after) = rest.split_first()?;
        match self.sources[&module].reexports.get(symbol) {
            Some(further) if depth < 16 && !self.sources[&module].symbols.contains(symbol) => {
                self.defined(&[further.as_slice(), after].concat(), depth + 1)
            }
            _ => Some((module, symbol.clone())),
        }
    }

    /// What the files import from each other, re-exports left out; sorted.
    pub fn imports(&self) -> Vec<Import> {
        let mut found = BTreeSet::new();
        for (module, source) in &self.sources {
            let mut paths = Paths::default();
            paths.visit_file(&source.syntax);
            let Paths { uses, found: mentioned } = paths;
            // Modules that the file knows by name: `report::page` after `use crate::report`.
            let mut known: BTreeMap<String, Module> = BTreeMap::new();
            for (path, known_as, _) in &uses {
                let absolute = self.absolute(module, path);
                if let Some(absolute) = absolute.filter(|path| self.sources.contains_key(path)) {
                    known.insert(known_as.clone(), absolute);
                }
            }
            let of_uses = uses.iter().map(|(path, _, line)| (path.clone(), *line));
            for (path, line) in of_uses.chain(mentioned) {
                let by_name = path.first().and_then(|first| known.get(first)).filter(|_| path.len() > 1);
                let by_name = by_name.map(|start| [start.as_slice(), &path[1..]].concat());
                let Some(absolute) = self.absolute(module, &path).or(by_name) else { continue };
                let Some((to, symbol)) = self.defined(&absolute, 0) else { continue };
                if to != *module {
                    found.insert(Import { from: module.clone(), to, symbol, file: source.file.clone(), line });
                }
            }
        }
        found.into_iter().collect()
    }
}

/// The paths that a file mentions, in code and inside macros.
#[derive(Default)]
struct Paths {
    found: Vec<(Vec<String>, usize)>,
    uses: Vec<(Vec<String>, String, usize)>,
}

impl Paths {
    /// Paths in the tokens of a macro: names joined by `::`.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.found.push((std::mem::take(path), line));
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, Visibility::Inherited) && !is_test(&item.attrs) {
            let uses = &mut self.uses;
            flatten(&item.tree, &mut Vec::new(), &mut |path, known_as, line| {
                uses.push((path.to_vec(), known_as.to_owned(), line));
            });
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 && path.leading_colon.is_none() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let line = path.segments[0].ident.span().start().line;
            self.found.push((names, line));
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.tokens(found.tokens.clone());
        syn::visit::visit_macro(self, found);
    }
}

/// A path from `from` back to itself along imports, if there is one: the imports in order.
pub fn circle(imports: &[Import]) -> Option<Vec<&Import>> {
    let mut of: BTreeMap<&Module, Vec<&Import>> = BTreeMap::new();
    for import in imports {
        of.entry(&import.from).or_default().push(import);
    }
    let mut done = BTreeSet::new();
    for start in of.keys() {
        let mut way = Vec::new();
        if let Some(circle) = walk(start, &of, &mut way, &mut done) {
            return Some(circle);
        }
    }
    None
}

fn walk<'a>(
    at: &'a Module,
    of: &BTreeMap<&'a Module, Vec<&'a Import>>,
    way: &mut Vec<&'a Import>,
    done: &mut BTreeSet<&'a Module>,
) -> Option<Vec<&'a Import>> {
    if let Some(begin) = way.iter().position(|import| import.from == *at) {
        return Some(way[begin..].to_vec());
    }
    if done.contains(at) {
        return None;
    }
    for import in of.get(at).into_iter().flatten() {
        way.push(import);
        if let Some(circle) = walk(&import.to, of, way, done) {
            return Some(circle);
        }
        way.pop();
    }
    done.insert(at);
    None
}
