//! The paths that one Rust file names: `use` items, expressions, types, and those inside macro
//! calls.
//!
//! Invariant: code under `#[cfg(test)]` is left out.

use crate::structure::rust;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ItemMacro, ItemMod, ItemUse, Macro, Path, UseTree};

/// A path as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The segments: `crate`, `ledger`, `Epoch`.
    pub(crate) segments: Vec<String>,
    /// The inline modules around it.
    pub(crate) inline: Vec<String>,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// A name that a `use` item brings into a module.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// The name in this module.
    pub(crate) name: String,
    /// The path that the name stands for.
    pub(crate) segments: Vec<String>,
}

/// Everything of one file that matters to imports.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// All paths of more than one segment.
    pub(crate) references: Vec<Reference>,
    /// Names from `use` items at the top of the file.
    pub(crate) aliases: Vec<Alias>,
    /// Names of `#[macro_export]` macros.
    pub(crate) exported_macros: Vec<String>,
    /// Names of modules that only tests compile.
    pub(crate) test_modules: Vec<String>,
    inline: Vec<String>,
}

/// Reads one file.
pub(crate) fn read(text: &str) -> syn::Result<Source> {
    let tokens: TokenStream = text.parse()?;
    let mut source = Source { test_modules: rust::test_modules(tokens.clone()), ..Source::default() };
    let file: syn::File = syn::parse2(rust::without_tests(tokens))?;
    source.visit_file(&file);
    Ok(source)
}

impl Source {
    fn refer(&mut self, segments: Vec<String>, line: usize) {
        if segments.len() > 1 {
            self.references.push(Reference { segments, inline: self.inline.clone(), line });
        }
    }

    fn read_use(&mut self, tree: &UseTree, prefix: &[String]) {
        let joined = |name: String| [prefix, &[name]].concat();
        let (segments, line, name) = match tree {
            UseTree::Path(path) => return self.read_use(&path.tree, &joined(path.ident.to_string())),
            UseTree::Group(group) => return group.items.iter().for_each(|item| self.read_use(item, prefix)),
            UseTree::Glob(glob) => (prefix.to_vec(), glob.star_token.spans[0].start().line, None),
            // `use a::b::{self}` names `a::b`.
            UseTree::Name(name) if name.ident == "self" && !prefix.is_empty() => {
                (prefix.to_vec(), name.ident.span().start().line, prefix.last().cloned())
            }
            UseTree::Name(name) => {
                let ident = name.ident.to_string();
                (joined(ident.clone()), name.ident.span().start().line, Some(ident))
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                (joined(rename.ident.to_string()), line, Some(rename.rename.to_string()))
            }
        };
        if let Some(name) = name.filter(|_| self.inline.is_empty()) {
            self.aliases.push(Alias { name, segments: segments.clone() });
        }
        self.refer(segments, line);
    }

    /// Paths among the tokens of a macro call or definition.
    fn read_tokens(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            match token {
                TokenTree::Ident(first) if !follows_colons(&tokens, index) => {
                    let line = first.span().start().line;
                    let (segments, end) = path_at(&tokens, index);
                    if let Some(TokenTree::Group(group)) = tokens.get(end)
                        && group.delimiter() == Delimiter::Brace
                        && follows_colons(&tokens, end)
                    {
                        self.read_group(&segments, group.stream());
                        index = end + 1;
                        continue;
                    }
                    self.refer(segments, line);
                    index = end.max(index + 1);
                }
                TokenTree::Group(group) => {
                    self.read_tokens(group.stream());
                    index += 1;
                }
                _ => index += 1,
            }
        }
    }

    /// `{a::B, c}` after a path, inside a macro.
    fn read_group(&mut self, prefix: &[String], stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            if let TokenTree::Ident(first) = token
                && !follows_colons(&tokens, index)
            {
                let (segments, _) = path_at(&tokens, index);
                self.refer([prefix, &segments].concat(), first.span().start().line);
            }
        }
    }
}

/// The segments of the path that begins at a token, and the index of the token after it.
fn path_at(tokens: &[TokenTree], start: usize) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    let mut index = start;
    while let Some(TokenTree::Ident(ident)) = tokens.get(index) {
        segments.push(ident.to_string());
        index += 1;
        if !follows_colons(tokens, index + 2) {
            break;
        }
        index += 2;
    }
    (segments, index)
}

/// Whether the two tokens before an index are `::`.
fn follows_colons(tokens: &[TokenTree], index: usize) -> bool {
    let colon = |back: usize| {
        let token = index.checked_sub(back).and_then(|index| tokens.get(index));
        matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
    };
    colon(1) && colon(2)
}

impl Visit<'_> for Source {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        self.inline.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inline.pop();
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        if item.leading_colon.is_none() {
            self.read_use(&item.tree, &[]);
        }
    }

    fn visit_item_macro(&mut self, item: &ItemMacro) {
        let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
        if let Some(name) = item.ident.as_ref().filter(|_| exported) {
            self.exported_macros.push(name.to_string());
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_macro(&mut self, call: &Macro) {
        self.visit_path(&call.path);
        self.read_tokens(call.tokens.clone());
    }

    fn visit_path(&mut self, path: &Path) {
        if let (None, Some(first)) = (&path.leading_colon, path.segments.first()) {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.refer(segments, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    fn check(text: &str, expected: &[&str]) {
        let source = super::read(text).unwrap();
        let shown: Vec<String> = source
            .references
            .iter()
            .map(|path| format!("{}: {}{}", path.line, path.inline.join("/"), path.segments.join("::")))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn use_items_name_each_path() {
        check(
            "use crate::a::{self, b::C,\n d as e};\nuse super::f::*;",
            &["1: crate::a", "1: crate::a::b::C", "2: crate::a::d", "3: super::f"],
        );
    }

    #[test]
    fn expressions_and_types_name_paths() {
        check(
            "fn a(b: crate::c::D) -> E<super::F> {\n g::h(1) }",
            &["1: crate::c::D", "1: super::F", "2: g::h"],
        );
    }

    #[test]
    fn macro_calls_name_paths() {
        check(
            "macro_rules! a { ($b:ty) => { $crate::c::D }; }\nkeep!(x in crate::e::F {\n g: ::std::h });\
             k! { use crate::i::{j::K, l}; }",
            &["1: crate::c::D", "2: crate::e::F", "3: crate::i::j::K", "3: crate::i::l"],
        );
    }

    #[test]
    fn tests_name_nothing() {
        check("#[cfg(test)] use crate::a::B;\n#[cfg(test)] mod tests { use crate::c::D; }", &[]);
    }
}
