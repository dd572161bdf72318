"""The loop on this machine: rides, a champion, newer rides, a better model, its release, a bad model, a rollback."""
