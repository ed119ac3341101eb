//! Reads a crate's modules as the compiler finds them, and what each of them names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path that stands in the code.
pub struct Named {
    /// Whether it points into this crate; then `path` is relative to the crate's root.
    pub ours: bool,
    /// Segments joined by `::`; a glob ends in `*`.
    pub path: String,
    /// Where, from 1.
    pub line: usize,
}

/// One file of the crate.
pub struct Source {
    /// Relative to the root, with `/`.
    pub file: String,
    /// The top-level module it belongs to; `lib` and `main` for the roots themselves.
    pub layer: String,
    /// The file's text.
    pub text: String,
    /// Its child modules outside tests, and their lines.
    pub modules: Vec<(String, usize)>,
    /// What it names outside tests.
    pub names: Vec<Named>,
    /// The lines where `unsafe` stands, tests included.
    pub unsafe_lines: Vec<usize>,
}

/// Every file reachable from `lib.rs` and `main.rs` under `root` without passing `#[cfg(test)]`.
pub fn read(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for entry in ["lib.rs", "main.rs"].map(|name| root.join(name)).into_iter().filter(|entry| entry.exists()) {
        walk(root, &entry, &[], &mut sources);
    }
    assert!(!sources.is_empty(), "no crate in {}", root.display());
    sources
}

fn walk(root: &Path, file: &Path, module: &[String], sources: &mut Vec<Source>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let own_folder = matches!(stem, "lib" | "main" | "mod");
    let folder = if own_folder { file.with_file_name("") } else { file.with_extension("") };

    let mut visitor =
        Visitor { module: module.to_vec(), aliases: Aliases::default(), names: Vec::new(), modules: Vec::new() };
    // Twice: what `use` brings in may stand below its first use.
    visitor.visit_file(&parsed);
    visitor.names.clear();
    visitor.modules.clear();
    visitor.visit_file(&parsed);

    let mut unsafe_lines = Vec::new();
    let tokens: TokenStream = text.parse().expect("what syn parses is made of tokens");
    each_token(tokens, &mut |token| {
        if matches!(token, TokenTree::Ident(ident) if ident == "unsafe") {
            unsafe_lines.push(token.span().start().line);
        }
    });
    let children = std::mem::take(&mut visitor.modules);
    sources.push(Source {
        file: file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/"),
        layer: module.first().map_or(stem, String::as_str).to_owned(),
        text,
        modules: children
            .iter()
            .filter(|(path, ..)| path.len() == module.len() + 1)
            .map(|(path, _, line)| (path[path.len() - 1].clone(), *line))
            .collect(),
        names: visitor.names,
        unsafe_lines,
    });
    for (path, inline, _) in children {
        if !inline {
            let child: PathBuf = folder.join(path[module.len()..].join("/"));
            let flat = child.with_extension("rs");
            walk(root, &if flat.exists() { flat } else { child.join("mod.rs") }, &path, sources);
        }
    }
}

/// What a name brought in by `use` stands for: whether it is ours, and its segments.
type Aliases = BTreeMap<String, (bool, Vec<String>)>;

struct Visitor {
    module: Vec<String>,
    aliases: Aliases,
    names: Vec<Named>,
    /// Path from the crate's root, whether its body stands here, line.
    modules: Vec<(Vec<String>, bool, usize)>,
}

impl Visitor {
    /// Makes a path absolute: whether it is ours, and its segments.
    fn resolve(&self, segments: &[String]) -> (bool, Vec<String>) {
        let mut here = self.module.clone();
        match segments[0].as_str() {
            "crate" | "sivcar" => (true, segments[1..].to_vec()),
            "self" => {
                here.extend_from_slice(&segments[1..]);
                (true, here)
            }
            "super" => {
                let up = segments.iter().take_while(|segment| *segment == "super").count();
                here.truncate(here.len().saturating_sub(up));
                here.extend_from_slice(&segments[up..]);
                (true, here)
            }
            _ => (false, segments.to_vec()),
        }
    }

    /// A path in an expression, type or macro; a macro's name ends in `!`. A lone name that no `use` brought in is local.
    fn mention(&mut self, segments: &[String], line: usize) {
        let first = segments[0].trim_end_matches('!');
        let (ours, path) = match self.aliases.get(first) {
            Some((ours, path)) => (*ours, path.iter().chain(&segments[1..]).cloned().collect()),
            None if segments.len() == 1 && first == segments[0] => return,
            None => self.resolve(segments),
        };
        self.names.push(Named { ours, path: path.join("::"), line });
    }

    fn tree(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
            syn::UseTree::Glob(_) => {
                let path: Vec<String> = prefix.iter().cloned().chain(["*".to_owned()]).collect();
                let (ours, path) = self.resolve(&path);
                self.names.push(Named { ours, path: path.join("::"), line });
            }
            syn::UseTree::Name(syn::UseName { ident }) => {
                self.import(prefix, &ident.to_string(), ident.to_string(), line)
            }
            syn::UseTree::Rename(syn::UseRename { ident, rename, .. }) => {
                self.import(prefix, &ident.to_string(), rename.to_string(), line);
            }
        }
    }

    fn import(&mut self, prefix: &[String], ident: &str, alias: String, line: usize) {
        let mut path = prefix.to_vec();
        let mut alias = alias;
        if ident == "self" && !path.is_empty() {
            if alias == "self" {
                alias = path[path.len() - 1].clone();
            }
        } else {
            path.push(ident.to_owned());
        }
        let (ours, path) = self.resolve(&path);
        self.names.push(Named { ours, path: path.join("::"), line });
        self.aliases.insert(alias, (ours, path));
    }

    /// Paths inside a macro's tokens: identifiers joined by `::`.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::<String>::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path, line);
                    }
                    if path.is_empty() {
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    path.last_mut().into_iter().for_each(|last| last.push('!'));
                    self.end(&mut path, line);
                }
                TokenTree::Group(group) => {
                    self.end(&mut path, line);
                    self.tokens(group.stream());
                }
                _ => self.end(&mut path, line),
            }
            colons = 0;
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.mention(&std::mem::take(path), line);
        }
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !attributes(item).iter().any(only_in_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        self.modules.push((self.module.clone(), item.content.is_some(), item.ident.span().start().line));
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&mut Vec::new(), &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let alias = item.rename.as_ref().map_or(&item.ident, |(_, alias)| alias).to_string();
        self.import(&[], &item.ident.to_string(), alias, item.ident.span().start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(&segments(path), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut name = segments(&call.path);
        name.last_mut().into_iter().for_each(|last| last.push('!'));
        self.mention(&name, call.path.span().start().line);
        self.tokens(call.tokens.clone());
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Exactly `#[cfg(test)]`; `any(test, …)` also stands in the product.
fn only_in_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
}

fn each_token(tokens: TokenStream, visit: &mut impl FnMut(&TokenTree)) {
    for token in tokens {
        visit(&token);
        if let TokenTree::Group(group) = token {
            each_token(group.stream(), visit);
        }
    }
}
