//! The steps, each as a sequence that can stop anywhere: whoever looks afterwards plans the right one next.

use keyward_types::storage::VolumeId;

use crate::{
    note::{Note, Stage},
    plan::Step,
    wanted::Wanted,
};

/// What a machine offers. Each call is repeated if nobody knows whether it was done.
pub trait Machine {
    /// Why something cannot be done.
    type Error;

    /// Another name for an image, which no image of this machine has ever had.
    fn new_image(&self) -> String;

    /// Notes something down, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(&self, note: &Note) -> Result<(), Self::Error>;

    /// Drops the note about a volume, durably. None is no error.
    ///
    /// # Errors
    /// When it cannot be dropped.
    fn forget(&self, volume: &VolumeId) -> Result<(), Self::Error>;

    /// Makes the image of a volume, with an empty file system, and attaches it.
    ///
    /// # Errors
    /// When it cannot be created, or cannot be attached.
    fn make(&self, note: &Note, wanted: &Wanted) -> Result<(), Self::Error>;

    /// Makes the image of a volume from that of another one, whole or not at all, and does not attach it. It answers how large
    /// the image is in bytes.
    ///
    /// # Errors
    /// When it cannot be made.
    fn copy(&self, note: &Note, wanted: &Wanted) -> Result<u64, Self::Error>;

    /// Attaches a volume. What a killed process has left of it is taken away first.
    ///
    /// # Errors
    /// When it cannot be attached.
    fn attach(&self, note: &Note, wanted: &Wanted) -> Result<(), Self::Error>;

    /// Has the image and the file system of a volume, which is attached, be at least so many bytes large. It answers how large
    /// the image is.
    ///
    /// # Errors
    /// When it cannot grow.
    fn grow(&self, note: &Note, size: u64) -> Result<u64, Self::Error>;

    /// The size in bytes of a new image.
    fn size(&self, wanted: &Wanted) -> u64;

    /// Takes a volume out of use, by force if it is in use. Afterwards nothing of it is mounted and it has no process.
    ///
    /// # Errors
    /// When something of it is left.
    fn end(&self, note: &Note, how: How) -> Result<(), Self::Error>;

    /// Destroys the image of a volume, which has been taken out of use. None is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn destroy(&self, note: &Note) -> Result<(), Self::Error>;
}

/// How a volume is taken out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Everything is written first. If it cannot be unmounted since it is in use, it is cut off.
    Cleanly,
    /// It is cut off: nobody needs it any more.
    AtOnce,
}

/// Does a step. `note` is what is noted down of the volume. A step that needs more than there is does nothing.
///
/// # Errors
/// What the machine could not do.
pub fn carry_out<M: Machine>(
    machine: &M,
    step: Step,
    (wanted, note): (Option<&Wanted>, Option<&Note>),
) -> Result<(), M::Error> {
    match (step, wanted, note) {
        (Step::Make, Some(wanted), note) => {
            if let Some(before) = note {
                machine.end(before, How::AtOnce)?;
                machine.destroy(before)?;
            }
            let volume = wanted.volume.clone();
            let note = Note::begun(
                volume,
                machine.new_image(),
                wanted.encrypted,
                wanted.generation,
            );
            let note = note.sized(machine.size(wanted));
            machine.write(&note)?;
            machine.make(&note, wanted)
        }
        (Step::Copy, Some(wanted), note) => {
            if let Some(before) = note {
                machine.end(before, How::AtOnce)?;
                machine.destroy(before)?;
            }
            let note = Note::begun(
                wanted.volume.clone(),
                machine.new_image(),
                wanted.encrypted,
                wanted.generation,
            );
            machine.write(&note)?;
            let size = machine.copy(&note, wanted)?;
            machine.write(&note.sized(size).at(Stage::Made))
        }
        (Step::NoteMade, _, Some(note)) => machine.write(&note.at(Stage::Made)),
        (Step::CutOff, _, Some(note)) => machine.end(note, How::AtOnce),
        (Step::Attach, Some(wanted), Some(note)) => {
            machine.attach(note, wanted)?;
            match note.restored {
                // Once: an older image is put back on purpose no second time.
                Some(_) => machine.write(&note.attached()),
                None => Ok(()),
            }
        }
        (Step::Grow, Some(wanted), Some(note)) => match wanted.size_in_bytes {
            Some(size) => {
                let size = machine.grow(note, size)?;
                machine.write(&note.clone().sized(size))
            }
            None => Ok(()),
        },
        (Step::Release, _, Some(note)) => machine.end(note, How::Cleanly),
        (Step::Delete, _, Some(note)) => {
            machine.write(&note.at(Stage::Ending))?;
            machine.end(note, How::AtOnce)?;
            machine.destroy(note)?;
            machine.forget(&note.volume)
        }
        (
            Step::Make
            | Step::Copy
            | Step::NoteMade
            | Step::CutOff
            | Step::Attach
            | Step::Grow
            | Step::Release
            | Step::Delete,
            None | Some(_),
            None | Some(_),
        ) => Ok(()),
    }
}
