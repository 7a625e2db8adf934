//! Writes a new state of the tree beside the current one, in the order of the blocks, so that no more than
//! one page of each level is in memory.

use super::{Child, Link, Node, Tree, ancestor, place};
use crate::{
    Error,
    layout::{BLOCK, FANOUT, LEAF_BLOCKS, ROOT_LEVEL},
    seal::{Keys, Sealed},
};

/// How many written pages are remembered for the cache.
const REMEMBERED: usize = 512;

/// A page that was written: level, number, the link to it, and what it says.
pub(crate) type Written = (u8, u64, Child, Node);

/// A new state in the making. Changes must come in ascending order.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    tree: &'a Tree,
    keys: &'a Keys,
    generation: u64,
    root: Link,
    /// From the root down.
    open: Vec<OpenPage>,
    written: Vec<Written>,
}

#[derive(Debug)]
struct OpenPage {
    level: u8,
    index: u64,
    node: Node,
    link: Link,
    changed: bool,
}

impl<'a> Update<'a> {
    /// Begins with the current state. Leaf pages note down the generation.
    pub(crate) fn new(tree: &'a Tree, keys: &'a Keys, root: Link, generation: u64) -> Self {
        Self {
            tree,
            keys,
            generation,
            root,
            open: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Notes down how a block is sealed.
    pub(crate) fn set(&mut self, block: u64, sealed: Sealed) -> Result<(), Error> {
        self.descend(block / LEAF_BLOCKS, 0, true)?;
        self.change_entry(block, Some(sealed));
        Ok(())
    }

    /// Forgets blocks, and gives back their space.
    pub(crate) fn clear(&mut self, first: u64, length: u64) -> Result<(), Error> {
        let (mut at, end) = (first, first + length);
        while at < end {
            let leaf = at / LEAF_BLOCKS;
            let next = ((leaf + 1) * LEAF_BLOCKS).min(end);
            let whole = next - at == LEAF_BLOCKS;
            let absent = self.descend(leaf, u8::from(whole), false)?;
            if let Some(level) = absent {
                // Nothing below this page of that level.
                let span = LEAF_BLOCKS * FANOUT.pow(u32::from(level));
                at = (at / span + 1) * span;
                continue;
            }
            let present = if whole {
                self.drop_leaf(leaf)
            } else {
                let present = (at..next).filter(|block| self.change_entry(*block, None));
                present.count() > 0
            };
            if present {
                let offset = self.tree.layout.block(at);
                self.tree.disk.punch(offset, (next - at) * BLOCK)?;
            }
            at = next;
        }
        Ok(())
    }

    /// Writes what is left, and returns the new root and some of the pages.
    pub(crate) fn finish(mut self) -> Result<(Link, Vec<Written>), Error> {
        while !self.open.is_empty() {
            self.close()?;
        }
        Ok((self.root, self.written))
    }

    /// Opens the page of a level above this leaf. Unless pages are to be made, stops where there is none,
    /// and returns the level of the first that is absent.
    fn descend(&mut self, leaf: u64, to: u8, make: bool) -> Result<Option<u8>, Error> {
        while let Some(last) = self.open.last() {
            if last.level >= to && last.index == ancestor(leaf, last.level) {
                break;
            }
            self.close()?;
        }
        loop {
            let (level, link) = match self.open.last() {
                Some(last) if last.level == to => return Ok(None),
                Some(last) => (last.level - 1, last.node.link(place(leaf, last.level - 1))),
                None => (ROOT_LEVEL, self.root),
            };
            let index = ancestor(leaf, level);
            let node = match &link {
                Some(child) => self.tree.load(self.keys, level, index, child)?.node.clone(),
                None if make => Node::empty(level),
                None => return Ok(Some(level)),
            };
            self.open.push(OpenPage {
                level,
                index,
                node,
                link,
                changed: false,
            });
        }
    }

    /// Changes an entry of the open leaf; whether there was one.
    fn change_entry(&mut self, block: u64, sealed: Option<Sealed>) -> bool {
        let Some(page) = self.open.last_mut() else {
            return false;
        };
        let Node::Leaf(_, entries) = &mut page.node else {
            return false;
        };
        let at = usize::try_from(block % LEAF_BLOCKS).ok();
        let Some(entry) = at.and_then(|at| entries.get_mut(at)) else {
            return false;
        };
        page.changed |= *entry != sealed;
        std::mem::replace(entry, sealed).is_some()
    }

    /// Drops a leaf from the open page above it; whether there was one.
    fn drop_leaf(&mut self, leaf: u64) -> bool {
        self.open
            .last_mut()
            .is_some_and(|page| page.relink(place(leaf, 0), None))
    }

    /// Closes the lowest open page: writes it to its other slot if it has changed, and links it.
    fn close(&mut self) -> Result<(), Error> {
        let Some(mut page) = self.open.pop() else {
            return Ok(());
        };
        if !page.changed {
            return Ok(());
        }
        if let Node::Leaf(generation, _) = &mut page.node {
            *generation = self.generation;
        }
        let count = page.node.count();
        let link = if count == 0 {
            None
        } else {
            let slot = page.link.map_or(0, |child| child.slot ^ 1);
            let bytes = page.node.render(page.index);
            let offset = self.tree.layout.page(page.level, page.index, slot);
            self.tree.disk.write_at(offset, &*bytes)?;
            let mac = self.keys.page_mac(page.level, page.index, &bytes);
            let child = Child { slot, count, mac };
            if self.written.len() < REMEMBERED {
                self.written
                    .push((page.level, page.index, child, page.node));
            }
            Some(child)
        };
        match self.open.last_mut() {
            Some(parent) => {
                parent.relink(page.index % FANOUT, link);
            }
            None => self.root = link,
        }
        Ok(())
    }
}

impl OpenPage {
    /// Changes the link to a page below; whether there was one.
    fn relink(&mut self, place: u64, link: Link) -> bool {
        let Node::Inner(links) = &mut self.node else {
            return false;
        };
        let at = usize::try_from(place).ok();
        let Some(old) = at.and_then(|at| links.get_mut(at)) else {
            return false;
        };
        self.changed |= *old != link;
        std::mem::replace(old, link).is_some()
    }
}
