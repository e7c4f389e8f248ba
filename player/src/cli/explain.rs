//! `sluice explain`: what an error code means and what to do about it.

use super::{Exit, complain};
use abr::error::Code;

/// Prints one code, or all.
pub(super) fn run(number: Option<u16>) -> Exit {
    match number {
        None => {
            for code in Code::ALL {
                println!("{}  {}", code.number(), code.meaning().trim());
            }
            Exit::Ok
        }
        Some(number) => match Code::try_from(number) {
            Ok(code) => {
                println!("{number}: {}", code.meaning().trim());
                println!("{}", advice(code));
                Exit::Ok
            }
            Err(error) => complain(&format!("{error}; `sluice explain` lists them all."), Exit::Usage),
        },
    }
}

/// What a person can do.
fn advice(code: Code) -> &'static str {
    match code {
        Code::Internal => "This is a fault of the player. Record it with --journal and report it.",
        Code::Stuck => "Play again from the same place; if it stands again, try --lock with another height.",
        Code::Unreachable => "Check the network, the proxy settings and the spelling of the host.",
        Code::Timeout => "The server or the network is too slow. Try again, or a lower --max-height.",
        Code::Truncated => {
            "The connection breaks off. Try again; if it always does, the server's copy is damaged."
        }
        Code::Status => "403 and 410 mean an expired or protected link: get a new one. 404 means it is gone.",
        Code::Certificate => {
            "Do not go on if you did not expect this. Check the host name and the system clock."
        }
        Code::Forbidden => {
            "The manifest names a place it may not. For a server of your own use --allow-private."
        }
        Code::TooLarge => "The server sends more than the title can need. Tell whoever runs it.",
        Code::WrongContent => "Usually a sign-in page of the network: open a web page in a browser first.",
        Code::Redirects => "The server redirects in a circle. Tell whoever runs it.",
        Code::NotAManifest => "Give the address of an .mpd or .m3u8, not of the page around the video.",
        Code::Manifest => "The title is packaged wrongly at the place named. Tell whoever packages it.",
        Code::Unsupported => {
            "The title needs something this version does not do; see README for what it does."
        }
        Code::Container => "The media is damaged at the place named. Other renditions may play: try --lock.",
        Code::Standing => "The broadcast is interrupted at its source. Wait, or come back later.",
        Code::BehindWindow => {
            "Playback was paused or slow for longer than the server keeps; it goes on nearer to live."
        }
        Code::DecoderStart => "Install the packages in player/packages.txt, or try another rendition.",
        Code::Decoder => "The media is damaged or the decoder is at fault. Try another rendition.",
        Code::Format => "The picture or sound format is beyond what the player accepts.",
        Code::NothingPlayable => "Install decoders for the codecs named (player/packages.txt).",
        Code::NoAudioDevice => "Connect a sound device or start the sound server; playback goes on silently.",
        Code::AudioDevice => "The sound device went away; playback goes on silently.",
        Code::KeySystem => "The title is protected with a system this player does not have.",
        Code::LicenceServer => {
            "The server of the keys is down, slow or refuses you. Try again, sign in, or name another with --licence-url."
        }
        Code::OutputRestricted => "Connect a display that the licence allows, or choose a lower quality.",
        Code::Licence => {
            "The key or licence does not fit the title or cannot be read. Check --clearkey, or tell who runs the server."
        }
        Code::MissingKey => {
            "The title is encrypted: give its key with --clearkey KID:KEY, or its server with --licence-url URL."
        }
        Code::NoDisplay => "Start from a desktop session, or use --headless.",
        Code::NoAdapter => "Install a Vulkan or OpenGL driver (mesa-vulkan-drivers), or use --headless.",
        Code::DeviceLost => "The graphics driver failed several times; update it, or use --headless.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in Code::ALL {
            assert!(code.meaning().trim().ends_with('.'), "{code:?}");
            assert!(advice(*code).len() > 20, "{code:?}");
        }
    }
}
