"""stub replaced by the SDK"""
