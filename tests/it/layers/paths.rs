//! Paths in JSON: serde refuses those that are not Unicode, unless told how to write them.
//!
//! Knows nothing of rooms.

use syn::visit::{self, Visit};

/// `"Struct.field"` of results that would fail on such a path.
pub fn refusing(text: &str) -> Vec<String> {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(text).unwrap());
    finder.found
}

#[derive(Default)]
struct Finder {
    found: Vec<String>,
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let derives = |what: &str| item.attrs.iter().any(|a| is_list(a, "derive", what));
        // What is read back, as configs are, must refuse what it could not tell.
        if derives("Serialize") && !derives("Deserialize") {
            for field in &item.fields {
                let told = field
                    .attrs
                    .iter()
                    .any(|a| is_list(a, "serde", "serialize_with"));
                let name = field.ident.as_ref().map(ToString::to_string);
                if names_a_path(&field.ty) && !told {
                    let owner = &item.ident;
                    self.found
                        .push(format!("{owner}.{}", name.unwrap_or_default()));
                }
            }
        }
        visit::visit_item_struct(self, item);
    }
}

/// Whether an attribute is `name(… what …)`.
fn is_list(attribute: &syn::Attribute, name: &str, what: &str) -> bool {
    match &attribute.meta {
        syn::Meta::List(list) if attribute.path().is_ident(name) => {
            let names = list.tokens.clone().into_iter();
            names.map(|token| token.to_string()).any(|n| n == what)
        }
        _ => false,
    }
}

fn names_a_path(ty: &syn::Type) -> bool {
    struct Names(bool);
    impl<'a> Visit<'a> for Names {
        fn visit_ident(&mut self, ident: &'a proc_macro2::Ident) {
            self.0 |= ident == "PathBuf" || ident == "Path";
        }
    }
    let mut names = Names(false);
    names.visit_type(ty);
    names.0
}
