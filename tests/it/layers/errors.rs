//! Error types whose text repeats what their source says.
//!
//! Knows nothing of rooms.

use super::uses::rust_files;
use proc_macro2::{TokenStream, TokenTree};
use std::fs;
use std::path::Path;
use syn::visit::{self, Visit};

/// In all files below `folder`: `"file: Type::Variant"`.
pub fn repeats_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    rust_files(folder, &mut files);
    let found = files.iter().flat_map(|file| {
        let found = repeats(&fs::read_to_string(file).unwrap()).into_iter();
        found.map(|name| format!("{}: {name}", file.display()))
    });
    found.collect()
}

/// The types and variants in a file's text whose own text says their source.
pub fn repeats(text: &str) -> Vec<String> {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(text).unwrap());
    finder.found
}

#[derive(Default)]
struct Finder {
    found: Vec<String>,
}

impl Finder {
    fn check(&mut self, name: String, attributes: &[syn::Attribute], fields: &syn::Fields) {
        let text = attributes.iter().find_map(|a| match &a.meta {
            syn::Meta::List(list) if a.path().is_ident("error") => Some(&list.tokens),
            _ => None,
        });
        let mut sources = fields.iter().enumerate().filter_map(source);
        if text.is_some_and(|text| sources.any(|source| says(text, &source))) {
            self.found.push(name);
        }
    }
}

/// What the text calls a field that is the error's source.
fn source((index, field): (usize, &syn::Field)) -> Option<String> {
    let marked = |mark: &str| field.attrs.iter().any(|a| a.path().is_ident(mark));
    let name = field.ident.as_ref().map(ToString::to_string);
    let is_source = marked("source") || marked("from") || name.as_deref() == Some("source");
    is_source.then(|| name.unwrap_or_else(|| index.to_string()))
}

fn says(text: &TokenStream, name: &str) -> bool {
    text.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Literal(literal) => {
            let literal = literal.to_string();
            let inside = [format!("{{{name}}}"), format!("{{{name}:")];
            literal == name || inside.iter().any(|said| literal.contains(said))
        }
        TokenTree::Group(group) => says(&group.stream(), name),
        TokenTree::Punct(_) => false,
    })
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.check(item.ident.to_string(), &item.attrs, &item.fields);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        for variant in &item.variants {
            let name = format!("{}::{}", item.ident, variant.ident);
            self.check(name, &variant.attrs, &variant.fields);
        }
        visit::visit_item_enum(self, item);
    }
}
