//! Names: who is called what.
//!
//! Guarantees: a name belongs to one live mailbox at a time; rebinding it is one step, so that every call goes to the
//! old holder or to the new one; the names of a mailbox are free before anyone hears of its end. The registry's lock
//! ranks above slots, so a name can be looked up and acted upon in one step.

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::Store;
use crate::sync::{rank, Arc, Mutex};
use std::collections::HashMap;

/// Longest name in bytes.
pub const MAX_NAME: usize = 255;

/// The names of one engine.
#[derive(Debug, Default)]
pub struct Registry {
    names: Mutex<HashMap<Arc<str>, Id>, { rank::REGISTRY }>,
}

/// `TD_EINVAL` unless this can be a name.
pub fn check_name(name: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::Inval.because("the name is empty; give 1 to 255 bytes")),
        1..=MAX_NAME => Ok(()),
        size => Err(Error::Inval.because(format!("the name has {size} bytes; at most {MAX_NAME} are allowed"))),
    }
}

fn unknown(name: &str) -> Error {
    Error::NotFound.because(format!("nobody is registered as {name:?}"))
}

impl Registry {
    /// Gives a mailbox a name that nobody has.
    pub fn register(&self, store: &Store, mailbox: Id, name: &str) -> Result<()> {
        check_name(name)?;
        let mut names = self.names.lock();
        store.live(mailbox)?;
        if let Some(holder) = names.get(name) {
            let detail = format!("{name:?} is the name of {:#018x}; td_register_replace would rebind it", holder.0);
            return Err(Error::Exist.because(detail));
        }
        let name: Arc<str> = name.into();
        store.with_cold(mailbox, |cold| cold.names.push(name.clone()))?;
        names.insert(name, mailbox);
        Ok(())
    }

    /// Gives a mailbox a name, whoever had it; says who that was.
    pub fn replace(&self, store: &Store, mailbox: Id, name: &str) -> Result<Id> {
        check_name(name)?;
        let mut names = self.names.lock();
        let holder = names.get(name).copied().unwrap_or(Id::NONE);
        if holder == mailbox {
            store.live(mailbox)?;
            return Ok(holder);
        }
        let name: Arc<str> = name.into();
        store.with_cold(mailbox, |cold| cold.names.push(name.clone()))?;
        if !holder.is_none() {
            let _ = store.with_cold(holder, |cold| cold.names.retain(|other| **other != *name));
        }
        names.insert(name, mailbox);
        Ok(holder)
    }

    /// Takes a name away.
    pub fn unregister(&self, store: &Store, name: &str) -> Result<Id> {
        let mut names = self.names.lock();
        let holder = names.remove(name).ok_or_else(|| unknown(name))?;
        let _ = store.with_cold(holder, |cold| cold.names.retain(|other| **other != *name));
        Ok(holder)
    }

    /// Who has the name now.
    pub fn whereis(&self, name: &str) -> Result<Id> {
        self.names.lock().get(name).copied().ok_or_else(|| unknown(name))
    }

    /// Looks a name up and acts while nobody can rebind it.
    pub fn with_holder<R>(&self, name: &str, act: impl FnOnce(Option<Id>) -> R) -> R {
        let names = self.names.lock();
        act(names.get(name).copied())
    }

    /// Frees the names of a mailbox that has ended.
    pub fn free(&self, mailbox: Id, gone: &[Arc<str>]) {
        if gone.is_empty() {
            return;
        }
        let mut names = self.names.lock();
        for name in gone {
            if names.get(&**name) == Some(&mailbox) {
                names.remove(&**name);
            }
        }
    }

    /// Every name and its holder, in the order of the names.
    pub fn all(&self) -> Vec<(Arc<str>, Id)> {
        let mut all: Vec<_> = self.names.lock().iter().map(|(name, holder)| (name.clone(), *holder)).collect();
        all.sort_unstable();
        all
    }

    pub fn len(&self) -> usize {
        self.names.lock().len()
    }
}
