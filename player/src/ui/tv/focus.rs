//! Which of the things on a screen has the focus, and where the cursor keys take it.
//!
//! A screen is a tree of rows and columns. A key goes up the tree to the nearest group that runs its way and
//! has something there; in the group it comes to, the focus is where it was last. There is always exactly
//! one focus, whatever becomes of the tree in between.

use std::collections::BTreeMap;

/// A part of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<T> {
    /// Something that can have the focus.
    Item(T),
    /// Parts from left to right.
    Row(Vec<Node<T>>),
    /// Parts from top to bottom.
    Column(Vec<Node<T>>),
}

/// A cursor key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
}

impl Direction {
    fn runs_in_rows(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }

    fn is_forward(self) -> bool {
        matches!(self, Self::Right | Self::Down)
    }
}

impl<T: Copy + PartialEq> Node<T> {
    fn children(&self) -> &[Self] {
        match self {
            Self::Item(_) => &[],
            Self::Row(children) | Self::Column(children) => children,
        }
    }

    /// Whether anything in it can have the focus.
    fn is_live(&self) -> bool {
        matches!(self, Self::Item(_)) || self.children().iter().any(Self::is_live)
    }

    /// All items, from top left to bottom right.
    pub fn items(&self) -> Vec<T> {
        match self {
            Self::Item(item) => vec![*item],
            Self::Row(children) | Self::Column(children) => children.iter().flat_map(Self::items).collect(),
        }
    }

    fn path_to(&self, wanted: T) -> Option<Vec<usize>> {
        if let Self::Item(item) = self {
            return (*item == wanted).then(Vec::new);
        }
        self.children().iter().enumerate().find_map(|(place, child)| {
            let mut path = child.path_to(wanted)?;
            path.insert(0, place);
            Some(path)
        })
    }
}

/// Where the focus is on one screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus<T> {
    path: Vec<usize>,
    item: Option<T>,
    /// Which child of a group had the focus last.
    remembered: BTreeMap<Vec<usize>, usize>,
}

impl<T> Default for Focus<T> {
    fn default() -> Self {
        Self { path: Vec::new(), item: None, remembered: BTreeMap::new() }
    }
}

impl<T: Copy + PartialEq> Focus<T> {
    /// What has the focus; `None` only on a screen without items.
    pub fn item(&mut self, tree: &Node<T>) -> Option<T> {
        self.settle(tree);
        self.item
    }

    /// Puts the focus on an item, if the screen has it.
    pub fn set(&mut self, tree: &Node<T>, item: T) {
        if let Some(path) = tree.path_to(item) {
            self.go(tree, path);
        }
    }

    /// Moves the focus; says whether it moved.
    pub fn press(&mut self, tree: &Node<T>, direction: Direction) -> bool {
        self.settle(tree);
        for depth in (0..self.path.len()).rev() {
            let Some(group) = at(tree, &self.path[..depth]) else { continue };
            if direction.runs_in_rows() != matches!(group, Node::Row(_)) {
                continue;
            }
            let children = group.children();
            let here = self.path[depth];
            let next = if direction.is_forward() {
                (here + 1..children.len()).find(|place| children[*place].is_live())
            } else {
                (0..here.min(children.len())).rev().find(|place| children[*place].is_live())
            };
            if let Some(next) = next {
                let mut path = self.path[..depth].to_vec();
                path.push(next);
                self.go(tree, path);
                return true;
            }
        }
        false
    }

    /// Finds the focus again after the tree changed: the same item where it is now, else what is in its
    /// place.
    fn settle(&mut self, tree: &Node<T>) {
        let here = match at(tree, &self.path) {
            Some(Node::Item(item)) => Some(*item),
            _ => None,
        };
        if here.is_some() && here == self.item {
            return;
        }
        let path = self.item.and_then(|item| tree.path_to(item)).unwrap_or_else(|| self.path.clone());
        self.go(tree, path);
    }

    /// Goes to `path` and from there down to an item.
    fn go(&mut self, tree: &Node<T>, wanted: Vec<usize>) {
        let mut path = Vec::new();
        let mut node = tree;
        self.item = None;
        loop {
            if let Node::Item(item) = node {
                self.item = Some(*item);
                break;
            }
            let children = node.children();
            let asked = wanted.get(path.len()).or_else(|| self.remembered.get(&path)).copied().unwrap_or(0);
            let asked = asked.min(children.len().saturating_sub(1));
            let live = |place: &usize| children.get(*place).is_some_and(Node::is_live);
            let near = (asked..children.len()).chain((0..asked).rev()).find(live);
            let Some(place) = near else { break };
            path.push(place);
            node = &children[place];
        }
        for depth in 0..path.len() {
            self.remembered.insert(path[..depth].to_vec(), path[depth]);
        }
        self.path = path;
    }
}

fn at<'a, T>(tree: &'a Node<T>, path: &[usize]) -> Option<&'a Node<T>> {
    path.iter().try_fold(tree, |node, place| match node {
        Node::Item(_) => None,
        Node::Row(children) | Node::Column(children) => children.get(*place),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(items: std::ops::Range<u32>) -> Node<u32> {
        Node::Row(items.map(Node::Item).collect())
    }

    #[test]
    fn the_nearest_group_that_runs_the_way_decides() {
        let tree = Node::Column(vec![row(0..3), row(10..12), Node::Item(20)]);
        let mut focus = Focus::default();
        assert_eq!(focus.item(&tree), Some(0));
        let mut press = |direction| {
            focus.press(&tree, direction);
            focus.item(&tree)
        };
        assert_eq!(press(Direction::Right), Some(1));
        assert_eq!(press(Direction::Down), Some(10));
        assert_eq!(press(Direction::Up), Some(1), "remembered");
        assert_eq!(press(Direction::Up), Some(1), "there is nothing above");
        assert_eq!(press(Direction::Left), Some(0));
        assert_eq!(press(Direction::Down), Some(10));
        assert_eq!(press(Direction::Down), Some(20));
    }

    #[test]
    fn the_focus_follows_its_item_and_outlives_it() {
        let mut focus = Focus::default();
        focus.set(&row(0..5), 3);
        assert_eq!(focus.item(&row(2..5)), Some(3), "moved with its item");
        assert_eq!(focus.item(&row(7..9)), Some(8), "what is in its place");
        assert_eq!(focus.item(&Node::Column(vec![Node::Row(vec![]), row(1..2)])), Some(1));
        assert_eq!(focus.item(&Node::<u32>::Row(vec![])), None);
        assert_eq!(focus.item(&row(0..1)), Some(0));
    }

    fn tree() -> impl Strategy<Value = Node<u32>> {
        any::<u32>().prop_map(Node::Item).prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Node::Row),
                proptest::collection::vec(inner, 0..5).prop_map(Node::Column),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_trees_and_presses_leave_one_focus(steps in proptest::collection::vec((tree(), 0u8..4), 1..30)) {
            let mut focus = Focus::default();
            for (tree, press) in steps {
                let ways = [Direction::Up, Direction::Down, Direction::Left, Direction::Right];
                focus.press(&tree, ways[usize::from(press)]);
                let items = tree.items();
                prop_assert_eq!(focus.item(&tree).is_some(), !items.is_empty());
                prop_assert!(focus.item(&tree).is_none_or(|item| items.contains(&item)));
            }
        }
    }
}
