//! MPD and playlists to one presentation and the addresses of its parts.
