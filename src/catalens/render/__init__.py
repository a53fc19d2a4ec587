"""What people look at: contact sheets, heat maps, HTML reports, text in pictures, metadata of painted images."""
