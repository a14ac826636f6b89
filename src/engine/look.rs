//! The facade's part on looking into a running engine.
//!
//! Guarantees: a look changes nothing and holds one object's lock at a time.

use super::*;
use crate::message::Message;

/// Text for the host, as a message with an owner of its own.
pub(super) fn text_message(text: String) -> Result<Message> {
    let block = Block::own(text.into_bytes());
    let mut message = world().store.message_of(Some(block), &[])?;
    message.kind = crate::message::KIND_MESSAGE;
    Ok(message)
}

/// What all threads have done lately.
pub fn recorder_dump() -> Result<Message> {
    #[cfg(not(loom))]
    return text_message(crate::recorder::dump());
    #[cfg(loom)]
    text_message(String::new())
}
