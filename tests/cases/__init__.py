"""Cases made to order: for any instruction form, an encodable instruction and a state in which it does something."""
