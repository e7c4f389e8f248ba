//! MPD Patch (ISO/IEC 23009-1, 5.15; RFC 5261): what has changed since the MPD at hand.

use super::tree::{Id, Tree};
use crate::limits;
use crate::manifest::policy::shown;
use crate::manifest::{ManifestError, Place};
use std::borrow::Cow;

/// Deepest selector, in steps.
const STEPS: usize = limits::XML_DEPTH;

/// Whether a document is a patch rather than an MPD.
pub fn is_patch(text: &str) -> bool {
    let Some(start) = text.find("<Patch").or_else(|| text.find(":Patch")) else { return false };
    let before = text.get(..start).unwrap_or_default();
    !before.contains("<MPD") && !before.contains(":MPD")
}

/// The MPD `mpd` with `patch` applied.
///
/// # Errors
///
/// [`ManifestError`] when the patch is not for this MPD, or something in it cannot be done: then the whole
/// MPD is to be fetched.
pub fn apply(mpd: &str, patch: &str) -> Result<String, ManifestError> {
    let mut tree = Tree::read(mpd)?;
    let patch = Tree::read(patch)?;
    let (root, orders) = match (tree.root(), patch.root()) {
        (Some(root), Some(orders)) if patch.name(orders) == "Patch" => (root, orders),
        _ => return Err(refused("it is no patch")),
    };
    let same = |own: &str, its: &str| tree.attribute(root, own) == patch.attribute(orders, its);
    if !same("id", "mpdId") {
        return Err(refused("it is for an MPD with another identifier"));
    }
    if !same("publishTime", "originalPublishTime") {
        return Err(refused("it is for an MPD of another time"));
    }
    for (count, order) in patch.children(orders).enumerate() {
        if count >= limits::PATCH_OPERATIONS {
            return Err(ManifestError::TooMany {
                what: "operations in a patch",
                max: limits::PATCH_OPERATIONS,
            });
        }
        let selector = unescaped(patch.attribute(order, "sel").unwrap_or_default())?;
        let target = find(&tree, &selector)?;
        let content = patch.inner(order);
        match patch.name(order) {
            "add" => {
                let kind = patch.attribute(order, "type").unwrap_or_default();
                let place = patch.attribute(order, "pos").unwrap_or("append");
                add(&mut tree, &target, kind, place, content)?;
            }
            "replace" => replace(&mut tree, &target, content)?,
            "remove" => remove(&mut tree, &target)?,
            other => return Err(refused(format!("the operation {} is not known", shown(other)))),
        }
    }
    Ok(tree.write())
}

fn refused(what: impl Into<String>) -> ManifestError {
    ManifestError::malformed(Place::line(0, "Patch"), what)
}

fn unescaped(text: &str) -> Result<Cow<'_, str>, ManifestError> {
    quick_xml::escape::unescape(text).map_err(|error| refused(error.to_string()))
}

/// What a selector leads to.
struct Target {
    element: Id,
    parent: Option<Id>,
    part: Part,
}

enum Part {
    Element,
    Attribute(String),
    Text,
}

/// Follows a selector: child steps with positions and attribute values as predicates, at the end perhaps an
/// attribute or text.
fn find(tree: &Tree, selector: &str) -> Result<Target, ManifestError> {
    let nothing = || refused(format!("{} leads to nothing", shown(selector)));
    let unknown = || refused(format!("{} is not understood", shown(selector)));
    let mut steps = steps(selector.trim().strip_prefix('/').ok_or_else(unknown)?).into_iter();
    let root = tree.root().ok_or_else(nothing)?;
    let first = steps.next().ok_or_else(unknown)?;
    let (name, _) = first.split_once('[').unwrap_or((first, ""));
    if local(name) != tree.name(root) && name != "*" {
        return Err(nothing());
    }
    let mut target = Target { element: root, parent: None, part: Part::Element };
    for step in steps {
        if !matches!(target.part, Part::Element) {
            return Err(unknown());
        }
        if let Some(name) = step.strip_prefix('@') {
            target.part = Part::Attribute(name.to_owned());
        } else if step == "text()" || step.starts_with("text()[") {
            target.part = Part::Text;
        } else {
            let element = child(tree, target.element, step).ok_or_else(unknown)?.ok_or_else(nothing)?;
            target = Target { element, parent: Some(target.element), part: Part::Element };
        }
    }
    Ok(target)
}

/// The steps of a selector; slashes inside of quotes belong to a value.
fn steps(selector: &str) -> Vec<&str> {
    let mut quote = None;
    let split = selector.split(move |c: char| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            false
        }
        None => {
            if c == '\'' || c == '"' {
                quote = Some(c);
            }
            c == '/'
        }
    });
    split.take(STEPS).collect()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The child of `parent` that a step names; `None` for a step that is not understood.
fn child(tree: &Tree, parent: Id, step: &str) -> Option<Option<Id>> {
    let (name, mut rest) = match step.find('[') {
        Some(at) => step.split_at_checked(at)?,
        None => (step, ""),
    };
    if name.is_empty() {
        return None;
    }
    let mut position = None;
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    while let Some(predicate) = rest.strip_prefix('[') {
        // A closing bracket may stand in a value.
        let (inside, after) = match predicate.find(['\'', '"']).filter(|at| predicate.find(']') > Some(*at)) {
            Some(at) => {
                let quote = predicate.get(at..=at)?;
                let (value, after) = predicate.get(at + 1..)?.split_once(quote)?;
                let key = predicate.get(..at)?.trim().strip_suffix('=')?.trim().strip_prefix('@')?;
                wanted.push((key, value));
                ("", after.trim_start().strip_prefix(']')?)
            }
            None => predicate.split_once(']')?,
        };
        if !inside.is_empty() {
            position = Some(inside.trim().parse::<usize>().ok().filter(|at| *at > 0)?);
        }
        rest = after.trim_start();
    }
    if !rest.is_empty() {
        return None;
    }
    let of_name = tree.children(parent).filter(|id| name == "*" || tree.name(*id) == local(name));
    let mut found = of_name.filter(|id| {
        let is = |(key, value): &(&str, &str)| {
            let own = tree.attribute(*id, key);
            own.and_then(|own| quick_xml::escape::unescape(own).ok()).is_some_and(|own| own == *value)
        };
        wanted.iter().all(is)
    });
    Some(found.nth(position.unwrap_or(1) - 1))
}

fn add(
    tree: &mut Tree,
    target: &Target,
    kind: &str,
    place: &str,
    content: &str,
) -> Result<(), ManifestError> {
    if !matches!(target.part, Part::Element) {
        return Err(refused("something is to be added to what is no element"));
    }
    if let Some(name) = kind.strip_prefix('@') {
        tree.set_attribute(target.element, name, content.trim());
        return Ok(());
    }
    if !kind.is_empty() {
        return Err(refused(format!("adding a {} is not supported", shown(kind))));
    }
    let beside = || target.parent.ok_or_else(|| refused("something is to be added beside the root"));
    let (parent, after) = match place {
        "append" => (target.element, tree.last(target.element)),
        "prepend" => (target.element, None),
        "before" => (beside()?, tree.before(beside()?, target.element)),
        "after" => (beside()?, Some(target.element)),
        other => return Err(refused(format!("the place {} is not known", shown(other)))),
    };
    tree.insert(parent, after, content)
}

fn replace(tree: &mut Tree, target: &Target, content: &str) -> Result<(), ManifestError> {
    match &target.part {
        Part::Attribute(name) => {
            if tree.attribute(target.element, name).is_none() {
                return Err(refused(format!("there is no attribute {}", shown(name))));
            }
            tree.set_attribute(target.element, name, content.trim());
            Ok(())
        }
        Part::Text => {
            tree.clear(target.element);
            tree.insert(target.element, None, content)
        }
        Part::Element => {
            let parent = target.parent.ok_or_else(|| refused("the root is to be replaced"))?;
            tree.insert(parent, Some(target.element), content)?;
            tree.remove(parent, target.element);
            Ok(())
        }
    }
}

fn remove(tree: &mut Tree, target: &Target) -> Result<(), ManifestError> {
    match &target.part {
        Part::Attribute(name) => {
            let removed = tree.remove_attribute(target.element, name);
            removed.then_some(()).ok_or_else(|| refused(format!("there is no attribute {}", shown(name))))
        }
        Part::Text => {
            tree.clear(target.element);
            Ok(())
        }
        Part::Element => {
            let parent = target.parent.ok_or_else(|| refused("the root is to be removed"))?;
            tree.remove(parent, target.element);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MPD: &str =
        "<MPD id='m' publishTime='1'><Period id=\"a/b]\"><S t='0' d='4'/><S d='4'/><S d='5'/></Period></MPD>";

    fn patched(orders: &str) -> Result<String, ManifestError> {
        apply(MPD, &format!("<Patch mpdId='m' originalPublishTime=\"1\" publishTime='2'>{orders}</Patch>"))
    }

    #[test]
    fn operations_do_what_they_say() {
        let result = patched(
            "<replace sel='/MPD/@publishTime'> 2 </replace><remove sel='/MPD/Period[@id=\"a/b]\"]/S[1]'/>\
             <add sel='/MPD/Period[1]' pos='prepend'><S t='4' d='4'/></add>\
             <add sel='/MPD/Period/S[2]' pos='before'><X/></add>\
             <add sel='/MPD/Period/S[@d=&apos;5&apos;]' pos='after'><Y>y</Y></add>\
             <add sel='/MPD/Period/S[3]' type='@r'>7</add><add sel='/MPD'><Period id='c'/></add>\
             <remove sel='/MPD/Period[2]/@id'/><replace sel='/MPD/Period[1]/Y/text()'>z</replace>",
        );
        assert_eq!(
            result.unwrap(),
            "<MPD id='m' publishTime=\"2\"><Period id=\"a/b]\"><S t='4' d='4'/><X/><S d='4'/><S d='5' r=\"7\"/>\
             <Y>z</Y></Period><Period/></MPD>"
        );
    }

    #[test]
    fn patches_that_do_not_fit_are_refused() {
        for bad in [
            "<remove sel='/MPD/Period[2]'/>",
            "<remove sel='/MPD'/>",
            "<remove sel='MPD/Period'/>",
            "<remove sel='/MPD/Period[last()]'/>",
            "<replace sel='/MPD/@x'>1</replace>",
            "<add sel='/MPD/@id'>1</add>",
            "<add sel='/MPD' pos='under'><a/></add>",
            "<add sel='/MPD'><a></add>",
            "<move sel='/MPD'/>",
        ] {
            assert!(patched(bad).is_err(), "{bad}");
        }
        assert!(apply(MPD, "<Patch mpdId='n' originalPublishTime='1'/>").is_err());
        assert!(apply(MPD, "<Patch mpdId='m' originalPublishTime='0'/>").is_err());
        assert!(is_patch("<?xml?><Patch/>") && !is_patch("<MPD><PatchLocation/></MPD>"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(selector in "[/MPDSeriod@id\\[\\]'=1*]{0,40}", place in "(append|before|after|prepend|x)") {
            let selector = selector.replace('\'', "&apos;");
            let _ = patched(&format!("<add sel='{selector}' pos='{place}'><a/></add>"));
            let _ = patched(&format!("<remove sel='/MPD/{selector}'/>"));
            let _ = patched(&format!("<replace sel='/MPD/{selector}'>x</replace>"));
        }
    }
}
